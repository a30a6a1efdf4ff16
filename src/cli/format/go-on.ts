/**
 * What follows the word that the daemon has stopped.
 *
 * @param sandboxes how many had a VM when it was asked to stop; undefined: nobody could say
 */
export function goOn(sandboxes: number | undefined): string {
  if (sandboxes === undefined) return '; its sandboxes go on';
  if (sandboxes === 0) return '';
  return sandboxes === 1 ? '; 1 sandbox goes on' : `; ${sandboxes} sandboxes go on`;
}
