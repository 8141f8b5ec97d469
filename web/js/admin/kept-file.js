import { build } from './build.js';
import { bytes } from './words.js';

/** Pictures that every browser draws, and sound that it plays, without running anything. */
const SHOWN = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);
const HEARD = new Set(['audio/webm', 'audio/ogg', 'audio/mpeg', 'audio/mp4', 'audio/wav']);

/**
 * A file that a report keeps. It is only fetched when somebody asks for it: each look is in the audit, and nobody has to see what
 * they have not asked to see.
 *
 * @param {import('./place.js').Desk} desk
 * @param {string} report
 * @param {{ id: string, name?: string, type?: string, size?: number, kept?: boolean }} file
 * @returns {HTMLElement}
 */
export function keptFile(desk, report, file) {
  const name = file.name ?? file.id;
  if (!file.kept) return build('span', { class: 'muted' }, ` [${name}: not kept]`);
  const type = (file.type ?? '').split(';')[0] ?? '';
  const isShown = SHOWN.has(type) || HEARD.has(type);
  const problem = build('span', { class: 'problem', role: 'alert' });
  const words = `${isShown ? 'Show' : 'Save'} ${name} (${bytes(file.size)})`;
  const button = build('button', { class: 'button small', type: 'button', 'data-testid': 'kept-file' }, words);
  const place = build('span', { class: 'kept-file' }, button, problem);
  button.addEventListener('click', async () => {
    problem.textContent = '';
    button.disabled = true;
    try {
      const path = `/v1/reports/${encodeURIComponent(report)}/files/${encodeURIComponent(file.id)}`;
      const held = await desk.blob(path);
      // Of a type that we have chosen: whatever it says it is, it runs nowhere.
      const url = URL.createObjectURL(new Blob([held], { type: isShown ? type : 'application/octet-stream' }));
      if (isShown) {
        const view = SHOWN.has(type)
          ? build('img', { src: url, alt: `What was sent as ${name}`, 'data-testid': 'kept-picture' })
          : build('audio', { src: url, controls: true, 'aria-label': name, 'data-testid': 'kept-sound' });
        button.replaceWith(view);
      } else {
        const link = build('a', { href: url, download: name });
        link.click();
        setTimeout(() => URL.revokeObjectURL(url));
        button.disabled = false;
      }
    } catch (error) {
      problem.textContent = error instanceof Error ? error.message : String(error);
      button.disabled = false;
    }
  });
  return place;
}
