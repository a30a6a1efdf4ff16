import type { ErrorReason } from '../../core/model/errors.ts';

/**
 * What an error means for the request id under which it came.
 *
 * - `final`: the request has had its answer, and gets the same one again.
 * - `open`: it was given up on the way and undone, or its end was not seen. Sent again it is tried again, and what is so already counts as done.
 * - `refused`: it was turned away before anything happened, for a reason that passes. Sent again it is tried again.
 * - `free`: the request itself is wrong. Corrected it may come under the same id.
 */
export type Memory = 'final' | 'open' | 'refused' | 'free';

/** One decision a reason: a new reason does not compile without its own. */
export const MEMORY_OF_REASON: Readonly<Record<ErrorReason, Memory>> = {
  // The same words would say the same again.
  INVALID_REQUEST: 'free',
  MESSAGE_TOO_LARGE: 'free',
  // What was asked for was not possible then; that it would be now must not turn a repetition into something new.
  SANDBOX_NOT_FOUND: 'final',
  CONTAINER_NOT_FOUND: 'final',
  EXEC_NOT_FOUND: 'final',
  DEVICE_NOT_FOUND: 'final',
  DEVICE_IN_USE: 'final',
  VOLUME_NOT_FOUND: 'final',
  VOLUME_IN_USE: 'final',
  IMAGE_NOT_FOUND: 'final',
  GUEST_NOT_FOUND: 'final',
  PROFILE_NOT_FOUND: 'final',
  NAME_IN_USE: 'final',
  AMBIGUOUS_ID: 'final',
  WRONG_STATE: 'final',
  OVERRIDE_NOT_ALLOWED: 'final',
  UNSUPPORTED: 'final',
  OFFSET_OUT_OF_RANGE: 'final',
  // It was tried, and failed for a reason that a repetition does not change.
  VMM_NOT_USABLE: 'final',
  VMM_FAILED: 'final',
  VMM_EXITED: 'final',
  BOOT_TIMEOUT: 'final',
  AGENT_REFUSED: 'final',
  AGENT_PROTOCOL: 'final',
  PROCESS_START_FAILED: 'final',
  ROOTFS_FAILED: 'final',
  HOST_RESOURCE: 'final',
  GUEST_BUILD_FAILED: 'final',
  IMAGE_UNAUTHORIZED: 'final',
  IMAGE_INVALID: 'final',
  IMAGE_WRONG_PLATFORM: 'final',
  IMAGE_TOO_LARGE: 'final',
  IMAGE_IN_USE: 'final',
  INTERNAL: 'final',
  REQUEST_OUTCOME_UNKNOWN: 'final',
  // Time, place or the way to the guest ran out; they come back.
  DEADLINE: 'open',
  CANCELLED: 'open',
  AGENT_UNREACHABLE: 'open',
  STORAGE_FULL: 'open',
  CHECKPOINT_FAILED: 'open',
  // What a registry had sent is kept, and gone on with.
  IMAGE_PULL_FAILED: 'open',
  IMAGE_RATE_LIMITED: 'open',
  // The door was shut.
  CAPACITY_EXHAUSTED: 'refused',
  SHUTTING_DOWN: 'refused',
  RECOVERING: 'refused',
  // It says something about another request.
  REQUEST_ID_CONFLICT: 'refused',
};
