/**
 * Control groups of the host: one a sandbox in every hierarchy that is used, with its VMM and its virtiofsd in it. They limit nothing; they
 * account, and tell a process that the kernel killed for want of memory from one that crashed.
 */
export interface Cgroups {
  /** Directory of the cgroup file systems. */
  readonly root: string;
  /** Why none is used, for a person; empty when some are. */
  readonly problem: string;
  /** Directories of a sandbox's groups, by its short id; empty when none is used. Names only: nothing is asked or made. */
  places(owner: string): readonly string[];
  /**
   * Makes them anew, so that their counts begin at zero, and answers those that are there. What the host refuses is left out and told once in
   * the log: a sandbox lives without its groups. Never rejects.
   */
  make(places: readonly string[]): Promise<readonly string[]>;
  /** Missing is fine. Rejects HOST_RESOURCE, with who is in it, when a group has processes for longer than those need that were just ended. */
  remove(places: readonly string[]): Promise<void>;
  /** Processes in them that the kernel has killed for want of memory since they were made. Undefined when nothing tells. Never rejects. */
  oomKills(places: readonly string[]): Promise<number | undefined>;
}
