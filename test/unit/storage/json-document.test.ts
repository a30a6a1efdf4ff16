import { expect, it } from 'vitest';
import { parseJsonObject } from '../../../src/storage/json-document.ts';

it.each([
  ['{\n"a": ,', 'line 2, column 6'],
  ['{"a" 1}', 'line 1, column 6'],
  ['{\n  "a": 1,\n}', 'line 3, column 1'],
  ['{"a": tru}', 'line 1, column 10'],
  ['{"a": "x', 'line 1, column 9'],
  ['{"a": 1', 'line 1, column 8'],
  ['', 'line 1, column 1'],
  ['{"a": "\\x"}', 'line 1, column 9'],
  ['{} x', 'line 1, column 4'],
])('the mistake in %j is found', (text, place) => {
  expect(() => parseJsonObject(text)).toThrow(`bad JSON at ${place}:`);
});

it.each(['[]', 'null', '"x"', '1'])('%s is no object', (text) => {
  expect(() => parseJsonObject(text)).toThrow('not a JSON object');
});
