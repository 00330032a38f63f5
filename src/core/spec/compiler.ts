/** The published JSON Schemas, and ajv set up for them. Not part of the built program: see src/build.mjs. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import fleet from '../../../schemas/fleet.schema.json' with { type: 'json' };
import holds from '../../../schemas/holds.schema.json' with { type: 'json' };
import instance from '../../../schemas/instance.schema.json' with { type: 'json' };

/** Knows the schemas by their `$id`; its functions can also be written out as code. */
export function schemaCompiler(): Ajv2020 {
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    useDefaults: true,
    allowUnionTypes: true,
    strictTypes: false,
    logger: false,
    code: { source: true },
  });
  ajv.addVocabulary(['unit']);
  for (const schema of [instance, fleet, holds]) ajv.addSchema(schema);
  return ajv;
}
