import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeChain } from './certificate.js';
import { freePort, isListening } from './ports.js';
import { until } from './until.js';

const START_MS = 30_000;
/** Renewal windows, RFC 9773 §4.2: one that is over, and one that no test sees. */
const NOW = { start: '2020-01-01T00:00:00Z', end: '2020-01-02T00:00:00Z' };
const LATER = { start: '2090-01-01T00:00:00Z', end: '2090-01-02T00:00:00Z' };

/**
 * An authority that speaks ACME: pebble, and before it what pebble does not know, renewal information. All names lead to
 * one machine for it.
 */
export class Authority {
  #children;
  #front;
  #directory;
  #ports;
  #isRecall = false;
  /** The certificate to be renewed, as paths name it. @type {string | null} */
  #recalled = null;
  /** PEM of who signs its certificates. */
  root = '';
  /** What servers are told of it. */
  directoryUrl = '';

  /**
   * @param {number} tlsPort Where it looks for the server that asks for certificates.
   * @param {object} [places]
   * @param {string} [places.own] The address at which it is asked.
   * @param {string} [places.server] The address to which all names lead.
   */
  static async start(tlsPort, { own = '127.0.0.1', server = '127.0.0.1' } = {}) {
    const authority = new Authority();
    try {
      await authority.#start(tlsPort, own, server);
    } catch (error) {
      await authority.stop();
      throw error;
    }
    return authority;
  }

  async #start(tlsPort, own, server) {
    this.#directory = mkdtempSync(join(tmpdir(), 'duologue-authority-'));
    makeChain(this.#directory, own);
    const names = ['api', 'management', 'dns', 'dnsManagement', 'front', 'http'];
    this.#ports = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await freePort()])));
    const { api, management, dns, dnsManagement, front, http } = this.#ports;
    const [certificate, privateKey] = ['leaf.cert', 'leaf.key'].map((name) => join(this.#directory, name));
    const listenAddress = `127.0.0.1:${api}`;
    const managementListenAddress = `127.0.0.1:${management}`;
    const config = { listenAddress, managementListenAddress, certificate, privateKey, httpPort: http, tlsPort, ocspResponderURL: '' };
    const file = join(this.#directory, 'pebble.json');
    writeFileSync(file, JSON.stringify({ pebble: config }));
    const answers = ['-defaultIPv4', server, '-defaultIPv6', '', '-http01', '', '-https01', '', '-tlsalpn01', ''];
    const addresses = ['-dns01', `127.0.0.1:${dns}`, '-management', `127.0.0.1:${dnsManagement}`];
    // It rejects sound nonces now and then, unless it is told not to; the server would try again a minute later.
    const mood = { PEBBLE_VA_NOSLEEP: '1', PEBBLE_AUTHZREUSE: '0', PEBBLE_WFE_NONCEREJECT: '0' };
    this.#children = [
      run('pebble-challtestsrv', [...answers, ...addresses], {}),
      run('pebble', ['-config', file, '-strict', '-dnsserver', `127.0.0.1:${dns}`], mood),
    ];
    for (const port of [api, management, dnsManagement]) await until('pebble', START_MS, () => isListening(port));
    const pair = { cert: readFileSync(certificate), key: readFileSync(privateKey) };
    this.#front = createServer(pair, (asked, answer) => {
      this.#attend(asked).then(
        ({ status, headers, body }) => answer.writeHead(status, headers).end(body),
        (error) => answer.destroy(error),
      );
    });
    await new Promise((resolve, reject) => this.#front.once('error', reject).listen(front, own, resolve));
    this.directoryUrl = `https://${own}:${front}/dir`;
    this.root = (await this.#ask(management, { path: '/roots/0' })).body.toString();
  }

  /** The file with who signs its own HTTPS. */
  get caFile() {
    return join(this.#directory, 'ca.cert');
  }

  /** The certificate that is asked about next is to be renewed at once. */
  recall() {
    this.#isRecall = true;
  }

  async stop() {
    this.#front?.closeAllConnections();
    this.#front?.close();
    for (const child of this.#children ?? []) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await exited;
    }
    if (this.#directory) rmSync(this.#directory, { recursive: true, force: true });
  }

  /** @param {import('node:http').IncomingMessage} asked */
  async #attend(asked) {
    const path = asked.url ?? '/';
    const sent = await whole(asked);
    if (path.startsWith('/renewal/')) return this.#advise(path);
    const passed = await this.#ask(this.#ports.api, { path, method: asked.method, headers: asked.headers }, sent);
    if (path === '/dir') return altered(passed, { renewalInfo: `https://${asked.headers.host}/renewal` });
    // It does not know the member; who knows it repeats it.
    if (path.startsWith('/order-plz') && passed.status === 201) {
      const { replaces } = JSON.parse(Buffer.from(JSON.parse(sent.toString()).payload, 'base64url').toString());
      return replaces ? altered(passed, { replaces }) : passed;
    }
    return passed;
  }

  #advise(path) {
    if (this.#isRecall) this.#recalled = path;
    this.#isRecall = false;
    const body = JSON.stringify({ suggestedWindow: this.#recalled === path ? NOW : LATER });
    return { status: 200, headers: { 'content-type': 'application/json', 'retry-after': '21600' }, body };
  }

  /** One request to pebble; the host stays the front's, as it stands in what is signed. */
  #ask(port, options, sent = Buffer.alloc(0)) {
    return new Promise((resolve, reject) => {
      const to = { host: '127.0.0.1', port, servername: 'localhost', ca: readFileSync(this.caFile), agent: false };
      const asking = request({ ...to, ...options }, async (answer) => {
        resolve({ status: answer.statusCode, headers: answer.headers, body: await whole(answer) });
      });
      asking.setTimeout(START_MS, () => asking.destroy(new Error('pebble does not answer')));
      asking.once('error', reject).end(sent);
    });
  }
}

/** An answer in JSON with other members. */
function altered({ status, headers, body }, members) {
  const text = JSON.stringify({ ...JSON.parse(body.toString()), ...members });
  return { status, headers: { ...headers, 'content-length': Buffer.byteLength(text) }, body: text };
}

async function whole(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

function run(program, options, environment) {
  const child = spawn(program, options, { env: { PATH: process.env.PATH, ...environment }, stdio: 'ignore' });
  child.once('error', (error) => {
    throw new Error(`${program}: ${error.message}; apt-get install pebble (make test does it)`);
  });
  return child;
}
