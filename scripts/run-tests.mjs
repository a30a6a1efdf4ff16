// Runs every stage of the tests, one after the other, and ends with one line: N passed, N failed, N skipped.
// usage: run-tests.mjs [stage …]     (stages: lint unit integration system rust)
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const work = mkdtempSync(join(tmpdir(), 'viv-test-'));
const bin = (name) => join(root, 'node_modules/.bin', name);

/** Streams a command's output through and resolves with its code and text. */
function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, FORCE_COLOR: '0' } });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        text += chunk;
        process.stdout.write(chunk);
      });
    }
    child.on('error', (error) => resolve({ code: 127, text: String(error) }));
    child.on('close', (code) => resolve({ code: code ?? 1, text }));
  });
}

/** A command that either succeeds or fails, counted as one test. */
async function check(name, command, ...args) {
  const { code } = await run(command, args);
  if (code !== 0) console.log(`FAILED: ${name}`);
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
}

async function vitest(project) {
  const file = join(work, `${project}.json`);
  const { code } = await run(bin('vitest'), ['run', '--project', project, '--reporter', 'default', '--reporter', 'json', '--outputFile.json', file, '--passWithNoTests']);
  try {
    const report = JSON.parse(readFileSync(file, 'utf8'));
    // A file that could not even be loaded has no failed test of its own.
    const broken = report.testResults.filter((suite) => suite.status === 'failed' && suite.assertionResults.length === 0).length;
    const failed = report.numFailedTests + broken;
    return { passed: report.numPassedTests, failed: failed === 0 && code !== 0 ? 1 : failed, skipped: report.numPendingTests };
  } catch (error) {
    console.log(`FAILED: ${project}: no report (${error.message})`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

async function rust() {
  const { code, text } = await run('cargo', ['test', '--locked', '--workspace', '--no-fail-fast']);
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const match of text.matchAll(/test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/g)) {
    sum.passed += Number(match[1]);
    sum.failed += Number(match[2]);
    sum.skipped += Number(match[3]);
  }
  if (code !== 0 && sum.failed === 0) sum.failed = 1;
  return sum;
}

const STAGES = {
  lint: async () => add(await check('eslint', bin('eslint'), '.', '--max-warnings', '0'), await check('types', bin('tsc'), '--noEmit'), await check('buf lint', join(root, 'node_modules/@bufbuild/buf-linux-x64/bin/buf'), 'lint')),
  unit: () => vitest('unit'),
  rust,
  integration: () => vitest('integration'),
  system: () => vitest('system'),
};

function add(...all) {
  return all.reduce((sum, one) => ({ passed: sum.passed + one.passed, failed: sum.failed + one.failed, skipped: sum.skipped + one.skipped }), { passed: 0, failed: 0, skipped: 0 });
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(STAGES);
const results = [];
for (const name of wanted) {
  if (STAGES[name] === undefined) {
    console.error(`no stage ${name}; there are: ${Object.keys(STAGES).join(' ')}`);
    process.exit(2);
  }
  const began = Date.now();
  console.log(`==> ${name}`);
  const result = await STAGES[name]();
  results.push(result);
  console.log(`==> ${name}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped (${((Date.now() - began) / 1000).toFixed(1)} s)`);
}
rmSync(work, { recursive: true, force: true });
const total = add(...results);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
