/** Put in by the build: a digest of all that the program was made from. */
declare const MMFLEET_BUILD: string;

/** What a cached computation depends on besides its input; null when the source itself is run: then nothing is cached. */
export const BUILD: string | null = typeof MMFLEET_BUILD === 'string' ? MMFLEET_BUILD : null;
