declare const __VIVARIUM_VERSION__: string | undefined;
declare const __VIVARIUM_COMMIT__: string | undefined;

/** What was built; the bundler puts the values in. */
export const BUILD = {
  version: typeof __VIVARIUM_VERSION__ === 'string' ? __VIVARIUM_VERSION__ : '0.0.0-dev',
  gitCommit: typeof __VIVARIUM_COMMIT__ === 'string' ? __VIVARIUM_COMMIT__ : '',
} as const;
