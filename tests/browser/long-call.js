// usage: node long-call.js MINUTES
import { longCall } from './harness/long-call.js';

const minutes = Number(process.argv[2]);
if (!(minutes >= 1)) throw new Error('say how many minutes, as in make long-call MINUTES=15');
await longCall({ seconds: Math.round(minutes * 60), nonceSeconds: 240, tell: (line) => console.log(line) });
console.log('no second froze');
