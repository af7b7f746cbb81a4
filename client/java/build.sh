#!/usr/bin/env bash
# Compiles the stubs and the programs of this folder with Debian's jars. What java needs to run one of them is then in
# build/clients/java/options: `java @build/clients/java/options Quickstart`.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=build/clients/java

# libgrpc-java names neither Netty nor PerfMark nor Guava as what it needs.
jars=(
  grpc-api grpc-context grpc-core grpc-netty grpc-protobuf grpc-protobuf-lite grpc-stub
  protobuf protobuf-util gson guava jsr305 geronimo-annotation-1.3-spec opencensus-api perfmark-api
  netty-buffer netty-codec netty-codec-http netty-codec-http2 netty-codec-socks netty-common netty-handler
  netty-handler-proxy netty-resolver netty-transport netty-transport-native-unix-common netty-tcnative
)
path=$out/classes
for jar in "${jars[@]}"; do
  [[ -e /usr/share/java/$jar.jar ]] || { echo "/usr/share/java/$jar.jar is not there" >&2; exit 1; }
  path+=:/usr/share/java/$jar.jar
done

# Debian's Netty speaks HTTP/2 over TLS with OpenSSL only, and looks for it under another name than Debian's.
library=$(dpkg -L libnetty-tcnative-jni | grep '/libnetty-tcnative\.so$')
mkdir -p "$out/jni"
cp --dereference "$library" "$out/jni/libnetty_tcnative.so"

rm -rf "$out/classes"
mkdir -p "$out/classes"
find "$out/com" client/java -name '*.java' > "$out/sources"
javac -nowarn -proc:none -cp "$path" -d "$out/classes" "@$out/sources"
printf '%s\n' "-Djava.library.path=$out/jni" "-cp $path" > "$out/options"
