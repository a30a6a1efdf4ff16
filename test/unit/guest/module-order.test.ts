import { describe, expect, it } from 'vitest';
import { orderModules, parseModuleRequest } from '../../../guest/builder/module-order.ts';
import type { ModuleSource } from '../../../guest/builder/module-order.ts';

const source = (modules: Record<string, { hard?: string[]; soft?: string[] }>, builtin: string[] = []): ModuleSource => ({
  file: (name) => (name in modules ? `/m/${name}.ko` : undefined),
  isBuiltin: (name) => builtin.includes(name),
  needs: (name) => ({ hard: modules[name]?.hard ?? [], soft: modules[name]?.soft ?? [] }),
  names: () => Object.keys(modules),
});
const ask = (...names: string[]) => names.map(parseModuleRequest);
const virtio = source({ ring: {}, virtio: { hard: ['ring'] }, pci: { hard: ['ring', 'virtio'] }, console: { hard: ['virtio'] }, crc: { soft: ['absent', 'ring'] } }, ['ext4']);

describe('orderModules', () => {
  it('puts what a module needs before it, once', () => {
    expect(orderModules(ask('pci', 'console'), virtio, new Set()).load.map((module) => module.name)).toEqual(['ring', 'virtio', 'pci', 'console']);
  });

  it('leaves out what is loaded already', () => {
    expect(orderModules(ask('console'), virtio, new Set(['ring', 'virtio'])).load.map((module) => module.name)).toEqual(['console']);
  });

  it('keeps the parameters with the module, also when another pulled it in first', () => {
    expect(orderModules(ask('virtio', 'ring size=4'), virtio, new Set()).load).toEqual([
      { name: 'ring', parameters: 'size=4', file: '/m/ring.ko' },
      { name: 'virtio', parameters: '', file: '/m/virtio.ko' },
    ]);
  });

  it('names what is part of the kernel instead of loading it', () => {
    expect(orderModules(ask('ext4', 'ring'), virtio, new Set())).toMatchObject({ builtin: ['ext4'], load: [{ name: 'ring' }] });
  });

  it('does without a soft dependency that is not there', () => {
    expect(orderModules(ask('crc'), virtio, new Set()).load.map((module) => module.name)).toEqual(['ring', 'crc']);
  });

  it('refuses a module that the kernel does not have and names near ones', () => {
    expect(() => orderModules(ask('virti'), virtio, new Set())).toThrow(expect.objectContaining({ code: 'module_not_found', remedy: 'it has virtio' }));
  });

  it('says who needed a module that is missing', () => {
    expect(() => orderModules(ask('a'), source({ a: { hard: ['b'] } }), new Set())).toThrow(/no module b \(needed by a\)/);
  });
});

describe('parseModuleRequest', () => {
  it('splits the name from the parameters', () => {
    expect(parseModuleRequest('virtio-net napi_tx=1 csum=0')).toEqual({ name: 'virtio_net', parameters: 'napi_tx=1 csum=0' });
  });

  it.each(['', '../x', 'a/b', 'a b\nc', '-'.repeat(65)])('refuses %j', (text) => {
    expect(() => parseModuleRequest(text)).toThrow(/not a module name/);
  });
});
