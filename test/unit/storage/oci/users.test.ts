import fc from 'fast-check';
import { expect, it } from 'vitest';
import { resolveUser } from '../../../../src/storage/oci/users.ts';

const FILES = {
  passwd: '# comment\nroot:x:0:0:root:/root:/bin/sh\nweb:x:1000:100:Web:/home/web:/bin/sh\n1000:x:7:7::/odd:/bin/sh\nbroken:x:nan:0\nhomeless:x:5:5::relative:\n',
  group: 'root:x:0:root\nusers:x:100:\nadm:x:4:web,root\nlog:x:3:web\n4:x:44:\n',
};

it.each([
  ['', { uid: 0, gid: 0, additionalGids: [4] }, '/root'],
  ['root', { uid: 0, gid: 0, additionalGids: [4] }, '/root'],
  ['web', { uid: 1000, gid: 100, additionalGids: [3, 4] }, '/home/web'],
  ['web:log', { uid: 1000, gid: 3, additionalGids: [] }, '/home/web'],
  ['web:', { uid: 1000, gid: 100, additionalGids: [3, 4] }, '/home/web'],
  ['1000', { uid: 7, gid: 7, additionalGids: [] }, '/odd'],
  ['7', { uid: 7, gid: 7, additionalGids: [] }, '/odd'],
  ['4242', { uid: 4242, gid: 0, additionalGids: [] }, '/'],
  ['4242:4', { uid: 4242, gid: 44, additionalGids: [] }, '/'],
  ['4242:4243', { uid: 4242, gid: 4243, additionalGids: [] }, '/'],
  [':users', { uid: 0, gid: 100, additionalGids: [] }, '/root'],
  ['homeless', { uid: 5, gid: 5, additionalGids: [] }, '/'],
  ['4294967294', { uid: 4294967294, gid: 0, additionalGids: [] }, '/'],
])('"%s" is found', (text, user, home) => {
  expect(resolveUser(text, FILES)).toEqual({ user, home });
});

it.each(['nobody', 'broken', 'web:nogroup', 'a:b:c', '-1', '4294967295', '1e3', ' web'])('"%s" is not found, and the answer says what', (text) => {
  expect(resolveUser(text, FILES)).toMatchObject({ description: expect.stringMatching(/no (user|group)|is not/) as string });
});

it('numbers need no files', () => {
  expect(resolveUser('12:34', { passwd: undefined, group: undefined })).toEqual({ user: { uid: 12, gid: 34, additionalGids: [] }, home: '/' });
});

it('no text and no file makes it fail', () => {
  fc.assert(fc.property(fc.string(), fc.string(), fc.string(), (user, passwd, group) => {
    const found = resolveUser(user, { passwd, group });
    expect('description' in found || (found.user.uid >= 0 && found.user.uid < 2 ** 32)).toBe(true);
  }));
});
