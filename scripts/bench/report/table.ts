/** A Markdown table. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

export const ms = (value: number): string => value.toFixed(2);
export const us = (value: number | null): string => (value === null ? "" : value.toFixed(0));
export const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
