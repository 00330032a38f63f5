/** Repository-relative paths, always with forward slashes. */

/** `path` as named by `file` (repository-relative), normalised; may begin with `../`. Absolute paths are only normalised. */
export function resolveFrom(file: string, path: string): string {
  if (isAbsolute(path)) return normalise(path);
  const folder = file.slice(0, file.lastIndexOf('/') + 1);
  return normalise(folder + path);
}

/** Two paths, the second below the first. */
export function join(folder: string, path: string): string {
  return normalise(folder === '' ? path : `${folder}/${path}`);
}

/** Whether a normalised path lies inside the repository. */
export function isInside(path: string): boolean {
  return !isAbsolute(path) && path !== '..' && !path.startsWith('../') && path !== '.';
}

export function isAbsolute(path: string): boolean {
  return path.startsWith('/');
}

/** Without `.`, empty and resolvable `..` parts; `.` for the folder itself. */
function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part === '..' && isAbsolute(path)) continue;
    else parts.push(part);
  }
  const joined = parts.join('/');
  if (isAbsolute(path)) return `/${joined}`;
  return joined === '' ? '.' : joined;
}
