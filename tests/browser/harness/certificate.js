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
