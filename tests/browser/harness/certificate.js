import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Makes a certificate for localhost, signed by itself, in `NAME.cert` and `NAME.key`.
 *
 * @param {string} directory
 * @param {string} name
 * @returns {string} PEM
 */
export function makeCertificate(directory, name) {
  const files = ['-keyout', join(directory, `${name}.key`), '-out', join(directory, `${name}.cert`)];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', '-days', '2', ...key, ...files, ...names], { stdio: 'pipe' });
  return readFileSync(join(directory, `${name}.cert`), 'utf8');
}

/**
 * Makes an authority in `ca.cert` and a certificate of it for localhost in `leaf.cert` and `leaf.key`, as programs want them that
 * take no certificate signed by itself.
 *
 * @param {string} directory
 * @param {string} address Where else than on this machine it is used.
 */
export function makeChain(directory, address) {
  const [ca, leaf] = ['ca', 'leaf'].map((name) => (end) => join(directory, `${name}.${end}`));
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-days', '2'];
  const run = (...options) => execFileSync('openssl', ['req', '-x509', ...key, ...options], { stdio: 'pipe' });
  run('-subj', '/CN=tests', '-keyout', ca('key'), '-out', ca('cert'));
  const names = ['-addext', `subjectAltName=DNS:localhost,IP:${address}`, '-addext', 'basicConstraints=critical,CA:FALSE'];
  run('-subj', '/CN=localhost', ...names, '-CA', ca('cert'), '-CAkey', ca('key'), '-keyout', leaf('key'), '-out', leaf('cert'));
}
