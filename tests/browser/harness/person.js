import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';
import { until, within } from './until.js';

const CHROMIUM = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';
const FIREFOX = process.env.FIREFOX_BIN ?? '/usr/bin/firefox-esr';
const START_MS = 60_000;
const CLICK_MS = 10_000;
const LEAVE_MS = 10_000;

/**
 * One person in front of one browser: its own process, profile and home, and what the browser itself
 * says about the call, beside what the page says.
 */
export class Person {
  #page;
  #closeBrowser;
  #directory;
  /** Errors the browser reported. @type {string[]} */
  errors = [];

  constructor(name, page, closeBrowser, directory) {
    this.name = name;
    this.#page = page;
    this.#closeBrowser = closeBrowser;
    this.#directory = directory;
    page.on('pageerror', (error) => this.errors.push(String(error)));
  }

  /**
   * @param {string} name
   * @param {object} [options]
   * @param {string} [options.certificateHash]
   * @param {string} [options.authority] PEM of the authority whose certificates it trusts, for everything.
   * @param {string} [options.localName] A name that leads to this machine, for everything.
   * @param {boolean} [options.camera]
   * @param {number} [options.cameras] How many there are to choose from.
   * @param {number} [options.hesitationMs] How long the question for the camera stays open.
   * @param {number} [options.width]
   * @param {number} [options.height]
   */
  static async inChromium(name, options = {}) {
    const { certificateHash, authority, localName, camera = true, cameras = 1, hesitationMs = 0, width = 1_280, height = 800 } = options;
    const directory = mkdtempSync(join(tmpdir(), 'duologue-chromium-'));
    const args = [
      // Two sides on one machine, where loopback may be the only interface.
      '--allow-loopback-in-peer-connection',
      '--disable-features=WebRtcHideLocalIpsWithMdns',
      '--autoplay-policy=no-user-gesture-required',
    ];
    if (camera) {
      args.push(`--use-fake-device-for-media-stream=device-count=${cameras}`, '--use-fake-ui-for-media-stream');
    }
    // For TURN over UDP it looks up the name with a dot at its end, and nothing but DNS takes the two for the same.
    if (localName) args.push(`--host-resolver-rules=MAP ${localName} 127.0.0.1, MAP ${localName}. 127.0.0.1`);
    if (authority) trust(join(directory, '.pki/nssdb'), authority);
    if (certificateHash) args.push(`--ignore-certificate-errors-spki-list=${certificateHash}`);
    const context = await chromium.launchPersistentContext(join(directory, 'profile'), {
      executablePath: CHROMIUM,
      headless: true,
      chromiumSandbox: false,
      args,
      env: { PATH: process.env.PATH ?? '', HOME: directory },
      viewport: { width, height },
      timeout: START_MS,
    });
    await context.addInitScript(keepPeerConnections);
    if (hesitationMs > 0) await context.addInitScript(hesitate, hesitationMs);
    const page = context.pages()[0] ?? (await context.newPage());
    page.setDefaultTimeout(CLICK_MS);
    return new Person(name, page, () => context.close(), directory);
  }

  /**
   * @param {string} name
   * @param {object} [options]
   * @param {string} [options.authority] PEM of the authority whose certificates it trusts for TURN over TLS.
   */
  static async inFirefox(name, { authority } = {}) {
    const directory = mkdtempSync(join(tmpdir(), 'duologue-firefox-'));
    if (authority) trust(join(directory, 'profile'), authority);
    const browser = await puppeteer.launch({
      browser: 'firefox',
      executablePath: FIREFOX,
      headless: true,
      userDataDir: join(directory, 'profile'),
      env: { PATH: process.env.PATH, HOME: directory },
      timeout: START_MS,
      protocolTimeout: START_MS,
      extraPrefsFirefox: {
        'media.navigator.streams.fake': true,
        'media.navigator.permission.disabled': true,
        'media.peerconnection.ice.loopback': true,
        'media.peerconnection.ice.obfuscate_host_addresses': false,
        'media.autoplay.default': 0,
        'media.gmp-manager.updateEnabled': false,
      },
    });
    const page = await browser.newPage();
    page.setDefaultTimeout(CLICK_MS);
    await page.evaluateOnNewDocument(keepPeerConnections);
    return new Person(name, page, () => browser.close(), directory);
  }

  /**
   * Another tab of the same browser, which is Chromium.
   *
   * @param {string} name
   */
  async anotherTab(name) {
    const page = await this.#page.context().newPage();
    page.setDefaultTimeout(CLICK_MS);
    return new Person(name, page, () => page.close(), mkdtempSync(join(tmpdir(), 'duologue-tab-')));
  }

  /**
   * What a button gives to be saved, in Chromium.
   *
   * @param {string} testId
   * @returns {Promise<string>}
   */
  async saved(testId) {
    const [download] = await Promise.all([this.#page.waitForEvent('download'), this.click(testId)]);
    return readFileSync(await download.path(), 'utf8');
  }

  /** @param {string} url */
  async visit(url) {
    await this.#page.goto(url, { waitUntil: 'load', timeout: 30_000 });
    await this.until('the page runs', CLICK_MS, () => window.duologueDebug !== undefined);
  }

  /**
   * Runs a function inside the page. It must not use anything from outside.
   *
   * @template Argument, Result
   * @param {(argument: Argument) => Result} run
   * @param {Argument} [argument]
   * @returns {Promise<Awaited<Result>>}
   */
  evaluate(run, argument) {
    return this.#page.evaluate(run, argument);
  }

  /** @param {string} testId */
  click(testId) {
    return this.#page.click(`[data-testid="${testId}"]`);
  }

  /**
   * @param {string} testId
   * @param {string} text
   */
  async type(testId, text) {
    await this.click(testId);
    await this.#page.keyboard.type(text);
  }

  /**
   * Gives a file to an input.
   *
   * @param {string} testId
   * @param {string} path
   */
  async choose(testId, path) {
    const input = await this.#page.$(`[data-testid="${testId}"]`);
    await (input.setInputFiles ?? input.uploadFile).call(input, path);
  }

  /** @param {string} key */
  press(key) {
    return this.#page.keyboard.press(key);
  }

  /**
   * Chooses an option of a list.
   *
   * @param {string} testId
   * @param {string} value
   */
  select(testId, value) {
    const selector = `[data-testid="${testId}"]`;
    return (this.#page.selectOption ?? this.#page.select).call(this.#page, selector, value);
  }

  /** @param {string} path Where the picture of what is seen goes, as PNG. */
  picture(path) {
    return this.#page.screenshot({ path });
  }

  /** What the page says about itself. */
  debug() {
    return this.evaluate(() => window.duologueDebug);
  }

  /**
   * Waits until a function in the page says yes; on failure tells what the page said last.
   *
   * @param {string} what
   * @param {number} withinMs
   * @param {(argument: any) => unknown} probe
   * @param {unknown} [argument]
   */
  async until(what, withinMs, probe, argument) {
    try {
      await until(what, withinMs, () => this.evaluate(probe, argument));
    } catch (error) {
      const state = await this.debug().catch((reason) => String(reason));
      throw new Error(`${this.name}: ${error.message}\n${JSON.stringify(state, null, 1)}`, { cause: error });
    }
  }

  /** The selected pair and the counters of the newest connection, straight from the browser. */
  stats() {
    return this.evaluate(async () => {
      const connection = window.keptPeerConnections.at(-1);
      const entries = [...(await connection.getStats()).values()];
      const byId = new Map(entries.map((entry) => [entry.id, entry]));
      const transport = entries.find((entry) => entry.selectedCandidatePairId);
      const pair =
        byId.get(transport?.selectedCandidatePairId) ??
        entries.find((entry) => entry.type === 'candidate-pair' && entry.nominated && entry.state === 'succeeded');
      const local = byId.get(pair?.localCandidateId);
      const remote = byId.get(pair?.remoteCandidateId);
      const inbound = (kind) => entries.find((entry) => entry.type === 'inbound-rtp' && entry.kind === kind);
      return {
        state: connection.connectionState,
        localType: local?.candidateType,
        remoteType: remote?.candidateType,
        relayProtocol: local?.relayProtocol,
        framesDecoded: inbound('video')?.framesDecoded ?? 0,
        videoBytes: inbound('video')?.bytesReceived ?? 0,
        freezes: inbound('video')?.freezeCount ?? 0,
        videoPackets: inbound('video')?.packetsReceived ?? 0,
        videoLost: inbound('video')?.packetsLost ?? 0,
        audioPackets: inbound('audio')?.packetsReceived ?? 0,
        audioLost: inbound('audio')?.packetsLost ?? 0,
      };
    });
  }

  /** Servers that the browser could not use while it gathered candidates for the newest connection. */
  candidateErrors() {
    return this.evaluate(() => window.keptCandidateErrors);
  }

  /** Every error so far: thrown, rejected, or refused by the content security policy. */
  async allErrors() {
    return [...this.errors, ...(await this.debug()).errors];
  }

  async leave() {
    await within(LEAVE_MS, this.#closeBrowser()).catch(() => {});
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/**
 * Makes a store of certificates with an authority in it: in the profile of a Firefox that has never been used, or below the home
 * of a Chromium.
 *
 * @param {string} place
 * @param {string} authority PEM
 */
function trust(place, authority) {
  mkdirSync(place, { recursive: true });
  const file = join(place, 'authority.pem');
  writeFileSync(file, authority);
  execFileSync('certutil', ['-d', `sql:${place}`, '-N', '--empty-password']);
  execFileSync('certutil', ['-d', `sql:${place}`, '-A', '-n', 'authority', '-t', 'C,,', '-i', file]);
}

/** Runs in the page before its scripts: remembers each connection, so that a test can read it, and counts WebSockets. */
function keepPeerConnections() {
  window.openedSockets = 0;
  const NativeSocket = window.WebSocket;
  window.WebSocket = class extends NativeSocket {
    constructor(...target) {
      super(...target);
      window.openedSockets += 1;
    }
  };
  window.keptPeerConnections = [];
  window.keptCandidateErrors = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...configuration) {
      super(...configuration);
      window.keptPeerConnections.push(this);
      this.addEventListener('icecandidateerror', ({ errorCode, errorText, url, address }) => {
        window.keptCandidateErrors.push({ errorCode, errorText, url, address });
      });
    }
  };
}

/**
 * Runs in the page before its scripts: the camera comes late.
 *
 * @param {number} hesitationMs
 */
function hesitate(hesitationMs) {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    await new Promise((resolve) => {
      setTimeout(resolve, hesitationMs);
    });
    return ask(constraints);
  };
}
