/** The published JSON Schemas, as they stand beside the code. */
import fleet from '../../../schemas/fleet.schema.json' with { type: 'json' };
import holds from '../../../schemas/holds.schema.json' with { type: 'json' };
import instance from '../../../schemas/instance.schema.json' with { type: 'json' };

/** JSON Schema 2020-12 documents; `instance` also holds what `fleet` refers to. */
export const SCHEMAS: Readonly<Record<'fleet' | 'instance' | 'holds', object>> = { fleet, instance, holds };
