import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Authority } from './harness/authority.js';

// The authority of the trial, which deploy/trial/run starts beside the browsers: OWN_ADDRESS SERVER_ADDRESS FOLDER. It writes who
// signs its certificates, who signs its own HTTPS and, once it can be asked, where it is; it ends with SIGTERM.
const [own, server, folder] = process.argv.slice(2);
const authority = await Authority.start(443, { own, server });
process.once('SIGTERM', () => authority.stop());
writeFileSync(join(folder, 'root.pem'), authority.root);
copyFileSync(authority.caFile, join(folder, 'authority.pem'));
writeFileSync(join(folder, 'directory-url'), authority.directoryUrl);
