import type { OciUser } from './runtime-spec.ts';

/** The text of a root file system's /etc/passwd and /etc/group; undefined when it has none. */
export interface UserFiles {
  readonly passwd: string | undefined;
  readonly group: string | undefined;
}

export interface ResolvedUser {
  readonly user: OciUser;
  /** Home directory; `/` when passwd does not tell. */
  readonly home: string;
}

/** The user of a request can't be found; `description` says which part and where it was looked for. */
export interface UnknownUser {
  readonly description: string;
}

interface PasswdRow {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupRow {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** The largest id: 2^32 - 1 means "no change" to setuid(2). */
const LARGEST_ID = 4_294_967_294;

function idOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= LARGEST_ID ? id : undefined;
}

function rows<T>(text: string | undefined, parse: (fields: readonly string[]) => T | undefined): readonly T[] {
  return (text ?? '').split('\n').flatMap((line) => parse(line.trim().split(':')) ?? []);
}

/** passwd(5). Lines that are none are passed over, as libc does. */
function passwdRows(text: string | undefined): readonly PasswdRow[] {
  return rows(text, ([name, , uidText, gidText, , home]) => {
    const uid = idOf(uidText);
    const gid = idOf(gidText);
    return name === undefined || name === '' || uid === undefined || gid === undefined ? undefined : { name, uid, gid, home: home?.startsWith('/') === true ? home : '/' };
  });
}

/** group(5). */
function groupRows(text: string | undefined): readonly GroupRow[] {
  return rows(text, ([name, , gidText, members]) => {
    const gid = idOf(gidText);
    return name === undefined || name === '' || gid === undefined ? undefined : { name, gid, members: (members ?? '').split(',').filter((member) => member !== '') };
  });
}

function findGroup(text: string, groups: readonly GroupRow[]): number | undefined {
  return groups.find((row) => row.name === text)?.gid ?? idOf(text);
}

/** A name wins over a number: a user may be called `1000`. */
function findUser(text: string, users: readonly PasswdRow[]): { row: PasswdRow | undefined; uid: number } | undefined {
  const byName = users.find((row) => row.name === text);
  if (byName !== undefined) return { row: byName, uid: byName.uid };
  const uid = idOf(text);
  return uid === undefined ? undefined : { row: users.find((row) => row.uid === uid), uid };
}

/**
 * Who `user` is: `""` (root), `name`, `uid`, `name:group`, `uid:gid`. A uid that passwd does not list has group 0. Without a group in the
 * request the user is in every group that names it as a member; with one it is in that group alone.
 */
export function resolveUser(user: string, files: UserFiles): ResolvedUser | UnknownUser {
  const [who = '', groupText, ...rest] = user.split(':');
  if (rest.length > 0) return { description: `"${user}" is not "user", "uid", "user:group" or "uid:gid"` };
  const groups = groupRows(files.group);
  const found = findUser(who === '' ? '0' : who, passwdRows(files.passwd));
  if (found === undefined) return { description: `no user "${who}" in /etc/passwd of the root file system` };
  const named = groupText === undefined || groupText === '' ? undefined : findGroup(groupText, groups);
  if (groupText !== undefined && groupText !== '' && named === undefined) return { description: `no group "${groupText}" in /etc/group of the root file system` };
  const gid = named ?? found.row?.gid ?? 0;
  const name = found.row?.name;
  const member = named === undefined && name !== undefined ? groups.filter((row) => row.members.includes(name)).map((row) => row.gid) : [];
  const additionalGids = [...new Set(member)].filter((id) => id !== gid).sort((a, b) => a - b);
  return { user: { uid: found.uid, gid, additionalGids }, home: found.row?.home ?? '/' };
}
