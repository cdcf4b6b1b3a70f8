import type { Harness, TestJob } from "./harness.ts";
import { answerUsual, chunkOf, DONE, usageChunk } from "./TestProvider.ts";

/** Begins a stream whose provider sends its first event, and the rest once told to; later calls are answered as usual. */
export async function beginHeldStream(
  harness: Harness,
  job: TestJob,
): Promise<{ text: Promise<string>; finish: () => void }> {
  let finish = () => {};
  const isOver = new Promise<void>((resolve) => {
    finish = resolve;
  });
  harness.provider.answer = async (_received, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(chunkOf("early "));
    // The gateway gives a silent provider up after two seconds, and a busy machine may need longer here.
    const keepAlive = setInterval(() => response.write(": keep-alive\n\n"), 200);
    response.once("close", () => clearInterval(keepAlive));
    await isOver;
    clearInterval(keepAlive);
    response.end(chunkOf("late") + usageChunk(10, 2) + DONE);
  };
  const { body } = await job.by.begin(job.chat({ stream: true }));
  harness.provider.answer = answerUsual;
  return { text: body.text(), finish };
}
