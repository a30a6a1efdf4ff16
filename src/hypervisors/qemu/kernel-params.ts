/** A parameter of the guest's kernel that we set, and when. Figures of what each saves stand in guest/README.md. */
interface KernelParam {
  readonly text: string;
  readonly when: 'always' | 'tcg';
}

const PARAMS: readonly KernelParam[] = [
  // The serial port is what the launcher keeps as the console's log.
  { text: 'console=ttyS0', when: 'always' },
  // Each byte on an emulated serial port is an exit to the VMM; warnings and a panic's words still come.
  { text: 'quiet', when: 'always' },
  // pvpanic stops the VM before this counts; without its driver the guest resets at once, which ends the VM.
  { text: 'panic=-1', when: 'always' },
  // Reset by triple fault: the other ways look for hardware that we leave out.
  { text: 'reboot=t', when: 'always' },
  // The timer of a virtual machine needs no test at boot, which takes 10 ticks.
  { text: 'no_timer_check', when: 'always' },
  // The cryptographic self-tests check the compiler's work, not this machine.
  { text: 'cryptomgr.notests', when: 'always' },
  // With one possible processor the kernel patches thousands of lock prefixes away, which takes longer under emulation than they ever cost.
  { text: 'noreplace-smp', when: 'always' },
  // Thousands of files for tracing that nobody reads, and the key of modules that our own initramfs holds anyhow.
  { text: 'initcall_blacklist=tracer_init_tracefs,init_kprobe_trace,load_system_certificate_list', when: 'always' },
  // An emulated processor does not speculate, so that what mitigates it only costs.
  { text: 'mitigations=off', when: 'tcg' },
];

/** The kernel's command line: ours first, then the profile's, since the kernel mostly lets the last one win. */
export function kernelCommandLine(accelerator: 'kvm' | 'tcg', more: string): string {
  const ours = PARAMS.filter(({ when }) => when === 'always' || when === accelerator).map(({ text }) => text);
  return [...ours, more.trim()].filter((text) => text !== '').join(' ');
}
