import type { Status } from 'nice-grpc';
import { ErrorInfo, RichServerError } from 'nice-grpc-error-details';

/** A refusal as a daemon sends it. */
export const refused = (code: Status, reason: string, message: string, metadata: Record<string, string> = {}): RichServerError =>
  new RichServerError(code, message, [ErrorInfo.fromPartial({ domain: 'vivarium', reason, metadata })]);
