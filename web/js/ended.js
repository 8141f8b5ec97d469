import { announce, clockText, element } from './page.js';

/** @type {Record<string, { title: string, text: string }>} */
const WORDS_BY_REASON = {
  limit: { title: 'Time’s up', text: 'That was the whole conversation. The next one is a click away.' },
  ended: { title: 'They said goodbye', text: 'The other person ended the conversation.' },
  skipped: { title: 'They moved on', text: 'The other person went looking for someone else.' },
  lost: { title: 'The connection was lost', text: 'One of you dropped off and did not come back in time.' },
  moderation: { title: 'Ended by moderation', text: 'This conversation was ended by the operator of this site.' },
  drain: { title: 'The server is restarting', text: 'It will be back in a moment. Nothing on your side is wrong.' },
  mine: { title: 'You said goodbye', text: 'The conversation is over and nothing is being sent any more.' },
};

/**
 * Fills the screen after a call.
 *
 * @param {{ reason: string, durationMs: number, messages: number }} ended `reason` as on the wire,
 *   or `mine` when this side ended it.
 */
export function fillEnded({ reason, durationMs, messages }) {
  const words = WORDS_BY_REASON[reason] ?? { title: 'The conversation is over', text: '' };
  element('screen-ended').dataset.reason = reason;
  element('ended-title').textContent = words.title;
  element('ended-text').textContent = words.text;
  element('ended-duration').textContent = clockText(durationMs);
  element('ended-messages').textContent = String(messages);
  announce(words.title);
}
