import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createHash, X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Authority } from './authority.js';
import { makeCertificate } from './certificate.js';
import { freePort, isListening } from './ports.js';
import { Proxy } from './proxy.js';
import { until } from './until.js';

const READY_MS = 20_000;
const STOP_MS = 10_000;
/** From the start to the first certificate. */
const ORDER_MS = 60_000;
/** No name server knows it; who visits is told that it leads here. */
export const ORDERED_NAME = 'chat.example.test';
const LOG_CHARACTERS = 8_000;
/** Wide enough for two browsers that allocate on every interface, small enough to stay in place. */
const RELAY_PORTS = 400;

/**
 * The built binary, running on free loopback ports with a configuration of its own.
 *
 * @typedef {object} Choices
 * @property {'all' | 'relay'} [icePolicy]
 * @property {'ports' | 'single-port'} [relayMode]
 * @property {string} [sessionLimit]
 * @property {string} [nonceLifetime]
 * @property {string} [recentPartnerPause]
 * @property {boolean} [renewable] With two certificates of the operator's, the first one in use.
 * @property {boolean} [ordersCertificates] By ACME from an authority of its own, for the name under which pages come over TLS.
 * @property {number} [guestWorkBits] What guests have to work before they come.
 * @property {'none' | 'closed' | 'open'} [accounts] Whether there are any, and whether people make them themselves.
 * @property {boolean} [proxied] Pages come through a proxy that a test can cut.
 */
export class Server {
  #child;
  #directory;
  #log = '';

  constructor(directory, ports, certificateHashes, proxy, acme) {
    this.#directory = directory;
    this.ports = ports;
    /** What Chromium is told to trust, if the server is renewable. @type {string[]} */
    this.certificateHashes = certificateHashes;
    /** Between the pages and the server, if it is proxied. @type {Proxy | null} */
    this.proxy = proxy;
    /** Whom it orders certificates from, if it does. @type {Authority | null} */
    this.acme = acme;
    this.url = acme ? `https://${ORDERED_NAME}:${ports.shared}/` : `http://localhost:${proxy?.port ?? ports.http}/`;
    this.#launch();
  }

  #launch() {
    const child = spawn(findBinary(), ['serve', '--config', join(this.#directory, 'duologue.toml')], {
      cwd: this.#directory,
      env: { PATH: process.env.PATH, HOME: this.#directory, RUST_BACKTRACE: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        // Every file of the page is a line; they would push out what matters.
        if (!line.includes('request answered')) this.#log = `${this.#log}${line}\n`.slice(-LOG_CHARACTERS);
      });
    }
    this.#child = child;
  }

  /** @param {Choices} [choices] */
  static async start(choices = {}) {
    const directory = mkdtempSync(join(tmpdir(), 'duologue-browser-'));
    const ports = { http: await freePort(), shared: await freePort(), turn: await freePort() };
    const file = join(directory, 'duologue.toml');
    const names = choices.renewable ? ['first', 'second'] : [];
    const hashes = names.map((name) => hashOf(makeCertificate(directory, name)));
    if (choices.renewable) useCertificate(directory, 'first');
    const proxy = choices.proxied ? await Proxy.start(ports.http) : null;
    const acme = choices.ordersCertificates ? await Authority.start(ports.shared) : null;
    writeFileSync(file, configuration(directory, ports, choices, proxy, acme));
    const server = new Server(directory, ports, hashes, proxy, acme);
    try {
      await server.#ready();
    } catch (error) {
      await server.stop();
      throw new Error(`the server did not become ready: ${error.message}\n${server.log}`);
    }
    return server;
  }

  /** The end of what it has written so far, without the requests. */
  get log() {
    return this.#log;
  }

  /** The certificate of the authority that the server made for itself. */
  get authority() {
    return readFileSync(join(this.#directory, 'state/tls/local-ca.pem'), 'utf8');
  }

  /**
   * What an RTCPeerConnection needs to reach the relay in one way only.
   *
   * @param {'udp' | 'tcp' | 'tls'} via
   * @param {string} user Whom the credential is for.
   */
  iceServer(via, user) {
    const options = ['creds', '--config', join(this.#directory, 'duologue.toml'), '--user', user];
    const { username, password } = JSON.parse(execFileSync(findBinary(), options, { cwd: this.#directory, encoding: 'utf8' }));
    const urls = {
      udp: `turn:127.0.0.1:${this.ports.turn}?transport=udp`,
      tcp: `turn:127.0.0.1:${this.ports.turn}?transport=tcp`,
      tls: `turns:localhost:${this.ports.shared}?transport=tcp`,
    };
    return { urls: urls[via], username, credential: password };
  }

  /**
   * Makes an account, as an operator does beside the running server.
   *
   * @param {string} name
   * @param {string} password
   * @param {'user' | 'moderator' | 'admin'} role
   */
  addAccount(name, password, role) {
    const options = ['user', 'add', name, '--role', role, '--config', join(this.#directory, 'duologue.toml')];
    execFileSync(findBinary(), options, { cwd: this.#directory, input: `${password}\n` });
  }

  /** Puts the second certificate where the first one was, and waits until new connections get it. */
  async renewCertificate() {
    useCertificate(this.#directory, 'second');
    this.#child.kill('SIGHUP');
    await until('the second certificate', READY_MS, async () => (await this.certificateHash()) === this.certificateHashes[1]);
  }

  /** How many certificates have come by ACME. */
  async issued() {
    return this.#sum('duologue_acme_orders_total', 'result="issued"');
  }

  /** Has the authority want a renewal, and the server look whether it does. */
  renewByAcme() {
    this.acme.recall();
    this.#child.kill('SIGHUP');
  }

  /** The certificate that somebody is shown who trusts the authority and nobody else. */
  async orderedCertificate() {
    const trust = { ca: this.acme.root, servername: ORDERED_NAME };
    return new X509Certificate(await shown({ host: '127.0.0.1', port: this.ports.shared, ...trust }));
  }

  /**
   * How many requests ended in a way.
   *
   * @param {string} result As `stale_nonce`.
   */
  async requests(result) {
    return this.#sum('duologue_stun_requests_total', `result="${result}"`);
  }

  /** Kills it with SIGKILL. */
  async crash() {
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await exited;
  }

  /** Has it end in order, as an operator does before an upgrade. */
  async end() {
    this.#child.kill('SIGTERM');
    await this.waitForEnd();
  }

  /**
   * Gives the database of a server that has ended the schema of an earlier one.
   *
   * @param {number} schema
   */
  age(schema) {
    const script = fileURLToPath(new URL('../../upgrade/older_schema.py', import.meta.url));
    execFileSync('python3', [script, join(this.#directory, 'state/duologue.db'), String(schema)]);
  }

  /** Starts it again after its end, with the same ports and state. */
  async comeBack() {
    this.#launch();
    await this.#ready();
  }

  /** Waits until it has ended by itself, and well. */
  async waitForEnd() {
    await until('the end of the server', STOP_MS, () => this.#child.exitCode !== null || this.#child.signalCode !== null);
    if (this.#child.exitCode !== 0) throw new Error(`it ended with ${this.#child.exitCode ?? this.#child.signalCode}`);
  }

  async stop() {
    await this.proxy?.stop();
    await this.acme?.stop();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGTERM');
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
      await exited;
      clearTimeout(timer);
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /**
   * Allocations the relay holds, over all modes, transports and families.
   *
   * @param {string} [label] Only those with this label, as `transport="tls"`.
   */
  async allocations(label = '') {
    return this.#sum('duologue_relay_allocations', label);
  }

  /** Packets that the relay discarded, for whatever reason. */
  async dropped() {
    return this.#sum('duologue_relay_dropped_total', '');
  }

  /** Waits until the relay holds nothing. */
  async waitForNoAllocation() {
    await until('no allocation left', 3_000, async () => (await this.allocations()) === 0);
  }

  /** How many UDP sockets the process has open: its listeners and its relay sockets. */
  udpSockets() {
    const inodes = new Set();
    for (const table of ['/proc/net/udp', '/proc/net/udp6']) {
      if (!existsSync(table)) continue;
      for (const line of readFileSync(table, 'utf8').trim().split('\n').slice(1)) {
        inodes.add(line.trim().split(/\s+/)[9]);
      }
    }
    const descriptors = `/proc/${this.#child.pid}/fd`;
    return readdirSync(descriptors).filter((name) => {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(join(descriptors, name)))?.[1];
      return inode !== undefined && inodes.has(inode);
    }).length;
  }

  /** The hash by which Chromium can be told to trust the certificate. */
  async certificateHash() {
    return hashOf(await shown({ host: '127.0.0.1', port: this.ports.shared, servername: 'localhost', rejectUnauthorized: false }));
  }

  /** Its own address, past any proxy. */
  get #own() {
    return `http://localhost:${this.ports.http}/`;
  }

  /** A metric, summed over its samples with a label. */
  async #sum(name, label) {
    const response = await fetch(new URL('/metrics', this.#own), { signal: AbortSignal.timeout(5_000) });
    const samples = [...(await response.text()).matchAll(new RegExp(`^${name}(\\{[^}]*\\})? ([0-9.e+]+)`, 'gm'))];
    if (samples.length === 0) throw new Error(`/metrics has no ${name}`);
    return samples
      .filter(([, labels = '']) => labels.includes(label))
      .reduce((total, [, , value]) => total + Number(value), 0);
  }

  async #ready() {
    const ready = new URL('/health/ready', this.#own);
    await until('ready', READY_MS, async () => {
      if (this.#child.exitCode !== null) throw new Error(`it ended with ${this.#child.exitCode}`);
      const response = await fetch(ready, { signal: AbortSignal.timeout(2_000) }).catch(() => null);
      return response?.status === 200;
    });
    await until('shared port', READY_MS, () => isListening(this.ports.shared));
    if (this.acme) await until('a certificate', ORDER_MS, async () => (await this.issued()) >= 1);
  }
}

/** The hash of a certificate's key, in PEM or DER. */
function hashOf(certificate) {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(key).digest('base64');
}

/** The certificate, as DER, that a server shows. */
function shown(options) {
  return new Promise((resolve, reject) => {
    const socket = connectTls(options);
    socket.setTimeout(5_000, () => socket.destroy(new Error('no TLS on the shared port')));
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate().raw);
      socket.destroy();
    });
  });
}

/** Puts a certificate and its key where the server looks. */
function useCertificate(directory, name) {
  for (const part of ['cert', 'key']) copyFileSync(join(directory, `${name}.${part}`), join(directory, `used.${part}`));
}

function findBinary() {
  const target = fileURLToPath(new URL('../../../target', import.meta.url));
  const candidates = process.env.DUOLOGUE_BIN
    ? [process.env.DUOLOGUE_BIN]
    : [join(target, 'release/duologue'), join(target, 'debug/duologue')];
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found) return found;
  throw new Error(`no binary at ${candidates.join(' or ')}: run \`cargo build --release\`, or set DUOLOGUE_BIN`);
}

/**
 * Relayed addresses on loopback must be allowed by name; nothing else is unlocked.
 *
 * @param {string} directory
 * @param {{ http: number, shared: number, turn: number }} ports
 * @param {Choices} choice
 * @param {Proxy | null} proxy
 * @param {Authority | null} acme
 */
function configuration(directory, ports, choice, proxy, acme) {
  const { icePolicy = 'all', relayMode = 'ports', sessionLimit = '5m', nonceLifetime = '1h' } = choice;
  const { recentPartnerPause = '1h', renewable = false, guestWorkBits = 0, accounts = 'open' } = choice;
  const first = 20_000 + RELAY_PORTS * Math.floor(Math.random() * 25);
  return `
[server]
public_host = "${acme ? ORDERED_NAME : 'localhost'}"
state_dir = "${directory}/state"
shutdown_grace = "2s"
[http]
listen = ["127.0.0.1:${ports.http}"]
tls_listen = ["127.0.0.1:${ports.shared}"]
allowed_origins = [${proxy ? `"http://localhost:${proxy.port}"` : ''}]
[turn]
udp_listen = ["127.0.0.1:${ports.turn}"]
tcp_listen = ["127.0.0.1:${ports.turn}"]
tls_listen = []
nonce_lifetime = "${nonceLifetime}"
[tls]
cert = "${renewable ? `${directory}/used.cert` : ''}"
key = "${renewable ? `${directory}/used.key` : ''}"
[relay]
mode = "${relayMode}"
addresses = ["127.0.0.1"]
port_range = "${first}-${first + RELAY_PORTS - 1}"
allow_peers = ["127.0.0.0/8"]
[session]
limit = "${sessionLimit}"
ice_policy = "${icePolicy}"
[auth]
guest_proof_of_work_bits = ${guestWorkBits}
accounts = ${accounts !== 'none'}
registration = ${accounts === 'open'}
[matchmaking]
recent_partner_pause = "${recentPartnerPause}"
[log]
level = "debug"
${acme ? orders(acme) : ''}`;
}

/** @param {Authority} acme */
function orders(acme) {
  return `
[tls.acme]
domains = ["${ORDERED_NAME}"]
directory_url = "${acme.directoryUrl}"
ca_file = "${acme.caFile}"
`;
}

/** @param {string} path */
function linkOf(path) {
  try {
    return readlinkSync(path);
  } catch {
    // Closed between the listing and the look.
    return '';
  }
}
