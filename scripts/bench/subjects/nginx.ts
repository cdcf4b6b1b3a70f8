import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findDebianProgram, freePort, type Program } from "@tac/kit/testing";
import type { BenchStack } from "../benchStack.ts";
import { benchDir } from "../settings.ts";
import type { Subject } from "./Subject.ts";
import { bearer, shots } from "./shots.ts";
import { type Peers, startPeer } from "./startPeer.ts";

const dir = join(benchDir, "nginx");
const findNginx = (): Program =>
  findDebianProgram({
    name: "nginx",
    file: "usr/sbin/nginx",
    packages: ["nginx"],
    folder: join(dir, "root"),
  });

const configOf = (port: number, providerOrigin: string): string => `
${process.getuid?.() === 0 ? "user root root;" : ""}
worker_processes 1;
daemon off;
pid ${dir}/nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  keepalive_requests 1000000000;
  upstream provider {
    server ${new URL(providerOrigin).host};
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }
  }
}
`;

/** The floor: a reverse proxy that looks at nothing. */
export const startNginx = async (stack: BenchStack, peers: Peers): Promise<Subject> => {
  const { command, env } = findNginx();
  const port = await freePort();
  const configFile = join(dir, "nginx.conf");
  mkdirSync(dir, { recursive: true });
  writeFileSync(configFile, configOf(port, stack.provider.origin));
  const origin = `http://127.0.0.1:${port}`;
  const pid = await startPeer(
    peers,
    { name: "nginx", command, args: ["-p", dir, "-c", configFile], env, cwd: dir },
    `${origin}/livez`,
  );
  const version = execFileSync("/bin/sh", ["-c", '"$0" -v 2>&1', command], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return {
    name: "nginx",
    version: version.trim().replace(/^.*nginx\//, ""),
    does: "one worker passes bytes on over keep-alive connections; plain HTTP, no proof, no charge",
    pids: [pid],
    usesPostgres: false,
    target: { kind: "plain", origin, ...shots(bearer(stack.provider.apiKey)) },
  };
};
