# libiscsi's test suite and the program that runs it test by test, against a server elsewhere: see compose.yaml.
FROM node:20-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
COPY protocol/node-iscsi-pdu/package.json protocol/node-iscsi-pdu/
RUN npm ci --ignore-scripts

FROM node:20-bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends libiscsi-bin && rm -rf /var/lib/apt/lists/*
WORKDIR /conformance
COPY --from=build /build/node_modules/typescript node_modules/typescript
COPY package.json ./
COPY test/support test/support
COPY test/setup test/setup
COPY test/conformance test/conformance
USER node
ENTRYPOINT ["node", "--import", "./test/support/run-typescript.mjs", "test/conformance/libiscsi.ts"]
CMD ["--help"]
