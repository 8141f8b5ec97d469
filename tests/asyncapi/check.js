// Reads AsyncAPI documents, one per argument; says of each in one line of JSON what the official parser says of it.
import { readFileSync } from 'node:fs';
import parser from '@asyncapi/parser';

// 0 is an error and 1 a warning; what is below is advice, such as to take another version of AsyncAPI.
const WARNING = 1;

for (const path of process.argv.slice(2)) {
  const { document, diagnostics } = await new parser.Parser().parse(readFileSync(path, 'utf8'));
  const found = diagnostics.filter(({ severity }) => severity <= WARNING);
  const complaints = found.map(({ code, path: place, message }) => `${code} at ${place.join('/')}: ${message}`);
  const version = document?.json().asyncapi ?? null;
  const payloads = document?.allMessages().filter((message) => message.hasPayload()).length ?? 0;
  console.log(JSON.stringify({ version, payloads, complaints }));
}
