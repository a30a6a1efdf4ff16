/** A child process that is told one thing and answers in lines. */
export interface Conversation {
  /** Lines of its stdout without their end; one reader. Ends with its stdout. */
  readonly lines: AsyncIterable<string>;
  /** Resolves once it has ended; code -1 when it could not be started, 128 + signal for one that a signal ended. Never rejects. */
  readonly exit: Promise<{ readonly code: number; readonly stderrTail: string }>;
  /** Ends its stdin: there is nothing more to be told. */
  end(): void;
}

/**
 * Starts a child with `input` on its stdin, which stays open after it: a child of ours takes its end as a word to give up, and so does one whose parent
 * was killed. When the signal aborts its stdin ends and it gets SIGTERM, some seconds later SIGKILL.
 */
export type StartConversation = (command: string, args: readonly string[], options: { readonly input: string; readonly signal?: AbortSignal | undefined }) => Conversation;
