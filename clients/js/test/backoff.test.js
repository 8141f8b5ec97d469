import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultReconnectPolicy, reactionToClose, reconnectDelayMs } from '../src/backoff.js';

test('the wait is drawn from the whole interval, whose ceiling doubles up to 8 s', () => {
  const ceilings = [0, 1, 2, 3, 4, 5, 50].map((attempt) =>
    reconnectDelayMs(defaultReconnectPolicy, attempt, () => 1),
  );
  assert.deepEqual(ceilings, [300, 600, 1_200, 2_400, 4_800, 8_000, 8_000]);
  assert.equal(reconnectDelayMs(defaultReconnectPolicy, 5, () => 0), 0);
});

test('exactly the five terminal codes stop, and 4401 asks for a new token', () => {
  const codes = [1000, 1001, 1006, 1011, 1012, 4400, 4401, 4403, 4408, 4409, 4413, 4426, 4429, 4440];
  const codesBy = (reaction) => codes.filter((code) => reactionToClose(code) === reaction);
  assert.deepEqual(codesBy('stop'), [4400, 4403, 4409, 4413, 4426]);
  assert.deepEqual(codesBy('refresh'), [4401]);
  assert.equal(codesBy('retry').length, 8);
});
