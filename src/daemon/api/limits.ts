/** What one request may carry at most. docs/api.md states the same numbers. */
export const LIMITS = {
  /** gRPC message, both directions, bytes. */
  messageBytes: 8 * 1024 * 1024,
  /** Data in one stdin or console message, bytes. */
  streamDataBytes: 1024 * 1024,
  /** Stdin that one stream may have waiting in the daemon, bytes. */
  stdinWindowBytes: 1024 * 1024,
  requestIdLength: 128,
  referenceLength: 128,
  imageReferenceLength: 512,
  secretLength: 65_536,
  pageSize: 1000,
  pageTokenLength: 256,
  cursorLength: 128,
  labels: 128,
  labelKeyLength: 253,
  labelValueBytes: 4096,
  annotations: 256,
  annotationValueBytes: 65_536,
  annotationsBytes: 262_144,
  overrides: 64,
  overrideValueBytes: 4096,
  hostnameLength: 64,
  dnsEntries: 16,
  argumentCount: 4096,
  /** MAX_ARG_STRLEN of Linux: one argument or environment entry with its closing NUL. */
  argumentBytes: 131_071,
  /** All arguments and environment together. */
  argumentsBytes: 1024 * 1024,
  pathBytes: 4095,
  paths: 256,
  mounts: 512,
  sysctls: 256,
  seccompBytes: 262_144,
  cpus: 1024,
  ttySide: 65_535,
  guestPackages: 512,
  eventTypes: 64,
  /** Field errors that one answer tells. */
  violations: 64,
} as const;
