import { describe, expect, it } from 'vitest';
import { familiarName, parseImageReference, requireImageReference } from '../../../src/core/model/image-reference.ts';

const HEX = 'a'.repeat(64);

describe('a reference', () => {
  it.each([
    ['busybox', 'docker.io/library/busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36'],
    ['team/app', 'docker.io/team/app:latest'],
    ['index.docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app:v1', 'localhost:5000/app:v1'],
    ['registry.example:5000/team/app:1.2', 'registry.example:5000/team/app:1.2'],
    ['[::1]:5000/app', '[::1]:5000/app:latest'],
    ['quay.io/a/b__c/d-e.f', 'quay.io/a/b__c/d-e.f:latest'],
    [`app@sha256:${HEX}`, `docker.io/library/app@sha256:${HEX}`],
    [`registry.example/app:1@sha256:${HEX}`, `registry.example/app@sha256:${HEX}`],
  ])('%s is %s', (text, full) => {
    expect(parseImageReference(text)?.full).toBe(full);
    expect(parseImageReference(full)?.full).toBe(full);
  });

  it.each(['', 'Busy', 'a//b', '/a', 'a/', 'a:', 'a:-x', `a:${'x'.repeat(129)}`, 'a@sha256:abc', 'a@md5:x', '../x', 'a b', '-a', 'a.-b/c', 'x'.repeat(250), HEX, 'host:port/app', 'ä'])('"%s" is none', (text) => {
    expect(parseImageReference(text)).toBeUndefined();
  });

  it.each(['busybox:latest', 'team/app:2', 'registry.example/app:latest', `app@sha256:${HEX}`])('%s is shown as it is usually written', (text) => {
    const reference = parseImageReference(text);
    expect(reference === undefined ? '' : familiarName(reference)).toBe(text);
  });

  it('is refused with its field', () => {
    expect(() => requireImageReference('reference', 'A')).toThrow('reference: "A" is no image reference');
  });
});
