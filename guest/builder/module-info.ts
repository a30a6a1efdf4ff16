import { BuildError } from './build-error.ts';
import { isElf64 } from './bzimage.ts';

/** What a module says of itself in its .modinfo section. Names have underscores, as the kernel writes them. */
export interface ModuleInfo {
  readonly depends: readonly string[];
  /** Modules that it uses without importing a symbol of theirs ("softdep: pre:"). */
  readonly softPre: readonly string[];
  readonly vermagic: string | undefined;
}

const SECTION_HEADER_SIZE = 64;

/** Reads `.modinfo` of a relocatable ELF64 object: NUL-separated `key=value` strings (include/linux/moduleparam.h). */
export function readModuleInfo(name: string, object: Uint8Array): ModuleInfo {
  const fields = Buffer.from(section(name, object, '.modinfo')).toString('latin1').split('\0').filter((field) => field.includes('='));
  const values = (key: string): string[] => fields.filter((field) => field.startsWith(`${key}=`)).map((field) => field.slice(key.length + 1));
  return {
    depends: values('depends').flatMap((list) => list.split(',')).filter(Boolean).map(normalModuleName),
    softPre: values('softdep').flatMap(preModules),
    vermagic: values('vermagic')[0],
  };
}

/** The kernel takes `-` and `_` for the same thing in module names; it writes `_`. */
export function normalModuleName(name: string): string {
  return name.replaceAll('-', '_');
}

function preModules(softdep: string): string[] {
  const names: string[] = [];
  let inPre = false;
  for (const word of softdep.split(/\s+/).filter(Boolean)) {
    if (word.endsWith(':')) inPre = word === 'pre:';
    else if (inPre) names.push(normalModuleName(word));
  }
  return names;
}

function section(name: string, object: Uint8Array, wanted: string): Uint8Array {
  if (!isElf64(object)) throw new BuildError('bad_input', `module ${name} is not a 64-bit ELF object`);
  const view = new DataView(object.buffer, object.byteOffset, object.byteLength);
  try {
    const table = Number(view.getBigUint64(0x28, true));
    const count = view.getUint16(0x3c, true);
    const namesAt = sectionRange(view, table, view.getUint16(0x3e, true));
    for (let index = 0; index < count; index++) {
      const nameAt = namesAt.start + view.getUint32(table + index * SECTION_HEADER_SIZE, true);
      const bytes = Buffer.from(object.subarray(nameAt, nameAt + wanted.length + 1)).toString('latin1');
      if (bytes !== `${wanted}\0`) continue;
      const range = sectionRange(view, table, index);
      return object.subarray(range.start, range.end);
    }
  } catch (error) {
    if (error instanceof RangeError) throw new BuildError('bad_input', `module ${name} is cut off`, { cause: error });
    throw error;
  }
  throw new BuildError('bad_input', `module ${name} has no ${wanted} section`);
}

function sectionRange(view: DataView, table: number, index: number): { start: number; end: number } {
  const header = table + index * SECTION_HEADER_SIZE;
  const start = Number(view.getBigUint64(header + 0x18, true));
  return { start, end: start + Number(view.getBigUint64(header + 0x20, true)) };
}
