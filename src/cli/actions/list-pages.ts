/** Follows the page tokens of a listing to its end. */
export async function listPages<Response extends { readonly nextPageToken: string }, Item>(
  fetch: (pageToken: string) => Promise<Response>,
  items: (response: Response) => readonly Item[],
): Promise<Item[]> {
  const all: Item[] = [];
  let token = '';
  do {
    const response = await fetch(token);
    all.push(...items(response));
    token = response.nextPageToken;
  } while (token !== '');
  return all;
}
