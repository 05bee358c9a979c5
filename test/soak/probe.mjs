// Preloaded into the server of the soak: at SIGUSR2 it collects what nobody holds any more and says, in
// one line on standard error, what is left. The server runs with --expose-gc for that and is otherwise as
// it is.
process.on('SIGUSR2', () => {
  globalThis.gc();
  // Buffers are let go by callbacks that the first collection only plans.
  setImmediate(() => {
    globalThis.gc();
    const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
    const handles = process.getActiveResourcesInfo().length;
    process.stderr.write(`probe ${JSON.stringify({ heapUsed, external, arrayBuffers, rss, handles })}\n`);
  });
});
