import packageJson from '../../package.json' with { type: 'json' };

declare const __VIVARIUM_COMMIT__: string | undefined;

/** What was built; the bundler puts the commit in. */
export const BUILD = {
  version: packageJson.version,
  gitCommit: typeof __VIVARIUM_COMMIT__ === 'string' ? __VIVARIUM_COMMIT__ : '',
} as const;
