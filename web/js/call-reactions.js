import { EMOJI } from './chat-item.js';
import { announce, element } from './page.js';

/** Signs of the moment: they fly over the call and are kept nowhere. */
export class CallReactions {
  #sky = element('sky');
  /** @type {import('/sdk/index.js').Session | null} */
  #session = null;

  constructor() {
    element('call-reactions').append(
      ...EMOJI.map((emoji) => {
        const button = document.createElement('button');
        button.type = 'button';
        button.textContent = emoji;
        button.dataset.testid = 'call-reaction';
        button.addEventListener('click', () => this.#send(emoji));
        return button;
      }),
    );
  }

  /** @param {import('/sdk/index.js').Session} session */
  follow(session) {
    this.#session = session;
    this.#sky.replaceChildren();
    session.on('reaction', ({ mid, emoji, remove }) => {
      if (mid !== null || remove) return;
      announce(`They react: ${emoji}`);
      this.#fly(emoji, 'theirs');
    });
  }

  /** @param {string} emoji */
  async #send(emoji) {
    const session = this.#session;
    if (!session) return;
    try {
      await session.chat.react(emoji);
      this.#fly(emoji, 'own');
    } catch {
      // A sign that did not get through is not worth a word.
    }
  }

  /**
   * @param {string} emoji
   * @param {'own' | 'theirs'} whose
   */
  #fly(emoji, whose) {
    const sign = document.createElement('span');
    sign.textContent = emoji;
    sign.className = whose;
    sign.addEventListener('animationend', () => sign.remove());
    this.#sky.append(sign);
    this.#sky.dataset.last = `${whose} ${emoji}`;
  }
}
