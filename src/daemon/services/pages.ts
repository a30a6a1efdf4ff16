import { DomainError } from '../../core/model/errors.ts';
import type { Page, PageRequest } from './facade.ts';

const LARGEST_PAGE = 1000;

/** One page of items that are in the order of their ids. The token is the last id of the page before. */
export function page<T>(items: readonly T[], idOf: (item: T) => string, request: PageRequest): Page<T> {
  if (request.token !== '' && !/^[0-9a-f]{32}$/.test(request.token)) {
    throw new DomainError('INVALID_REQUEST', 'the page token is not one of ours', { fields: [{ field: 'page_token', description: 'must come from the page before' }] });
  }
  const size = request.size === 0 ? LARGEST_PAGE : Math.min(request.size, LARGEST_PAGE);
  const rest = [...items].sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1)).filter((item) => idOf(item) > request.token);
  const taken = rest.slice(0, size);
  const last = taken.at(-1);
  return { items: taken, nextToken: rest.length > size && last !== undefined ? idOf(last) : '' };
}

export function sameLabels(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  return hasLabels(one, other) && hasLabels(other, one);
}

export function hasLabels(labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}
