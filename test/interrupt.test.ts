// SPDX-License-Identifier: Apache-2.0
// lenode train in a terminal (a pseudo-terminal of python3) that is interrupted.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { loadCheckpoint, models } from '../lib/index.js';

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lenode-interrupt-'));
afterAll(() => rmSync(folder, { recursive: true }));

// Runs a command in a terminal; writes ^C when its output has shown one text after the other. Prints the output and, at its
// end, the exit status.
const terminal = `
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
waiting = sys.argv[1].split('|')
out = b''
since = 0
end = time.time() + 240
while time.time() < end:
    if select.select([fd], [], [], 0.1)[0]:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        out += data
    if waiting and waiting[0].encode() in out[since:]:
        since = len(out)
        waiting.pop(0)
        os.write(fd, b'\\x03')
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(out + b'\\nstatus %d' % (os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)))
`;

function interrupted(texts: string, ...args: string[]): string {
  const run = spawnSync('python3', ['-c', terminal, texts, process.execPath, main, 'train', '--device', 'cpu', ...args], { encoding: 'utf8', cwd: folder });
  return run.stdout;
}
const last = (text: string, ...codes: string[]) => codes.map((code) => text.lastIndexOf(code));
const hasTerminals = spawnSync('python3', ['-c', 'import pty']).status === 0;

describe.skipIf(!hasTerminals)('Ctrl-C', { timeout: 300_000 }, () => {
  test('once: the step is finished, a checkpoint written, the terminal as it was; the rest can be trained', async () => {
    const out = interrupted('loss 0.', '--epochs', '2', '--seed', '1');
    expect(out).toMatch(/\nstatus 130$/);
    const [, epoch, step] = /interrupted in epoch (\d) after (\d+) of 938 steps/.exec(out)!.map(Number);
    const [hidden, shown] = last(out, '\u001b[?25l', '\u001b[?25h');
    expect(hidden).toBeGreaterThan(-1);
    expect(shown).toBeGreaterThan(hidden!);
    const [off, on] = last(out, '\u001b[?7l', '\u001b[?7h');
    expect(on).toBeGreaterThan(off!);
    const checkpoint = join(folder, 'runs', 'lenet5-seed1', 'checkpoint.safetensors');
    expect(await loadCheckpoint(checkpoint, { model: models.lenet5() })).toMatchObject({ epoch: epoch! - 1, step });
    const resumed = interrupted('loss 0.', '--epochs', '2', '--seed', '1', '--resume', checkpoint);
    const again = /interrupted in epoch (\d) after (\d+)/.exec(resumed)!.map(Number);
    expect(again[1]! * 938 + again[2]!).toBeGreaterThan(epoch! * 938 + step!);
  });

  test('twice: at once, the terminal as it was', () => {
    // Large batches, so that the second comes before the step is finished.
    const out = interrupted('loss 2.|stopping', '--epochs', '2', '--seed', '2', '--batch-size', '3000');
    expect(out).toMatch(/\nstatus 130$/);
    const [hidden, shown] = last(out, '\u001b[?25l', '\u001b[?25h');
    expect(shown).toBeGreaterThan(hidden!);
    expect(out).toContain('stopping');
    if (!out.includes('interrupted in')) expect(existsSync(join(folder, 'runs', 'lenet5-seed2', 'checkpoint.safetensors'))).toBe(false);
  });
});
