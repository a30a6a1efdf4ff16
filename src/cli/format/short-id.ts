/** How the daemon shortens a v7 id: its last 10 hex digits. (The first 8 repeat for a minute.) */
export const shortId = (id: string): string => id.slice(-10);
