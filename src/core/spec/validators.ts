/**
 * The published schemas as functions. From source they are compiled when first asked for; the build puts the code that ajv
 * would write in the place of this file, because compiling takes longer than most commands.
 */
import type { AnyValidateFunction } from 'ajv/dist/types/index.js';
import { schemaCompiler } from './compiler.ts';

export type SchemaName = 'fleet' | 'instance' | 'holds';

/** Checks data, completes it in place with the defaults, and leaves its findings in `errors`. */
export function validatorOf(name: SchemaName): AnyValidateFunction {
  compiler ??= schemaCompiler();
  return compiler.getSchema(`${name}.schema.json`)!;
}

let compiler: ReturnType<typeof schemaCompiler> | undefined;
