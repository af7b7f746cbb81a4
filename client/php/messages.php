<?php
// Parses all generated files, and reads and writes every message of a folder of golden files with the generated classes:
// `php messages.php FOLDER`.

declare(strict_types=1);

const GENERATED = __DIR__ . '/../../build/clients/php/';

// Without Composer: the generated classes, then Debian's runtime.
spl_autoload_register(function (string $class): void {
    $path = str_replace('\\', '/', $class) . '.php';
    foreach ([GENERATED, '/usr/share/php/'] as $folder) {
        if (is_file($folder . $path)) {
            require $folder . $path;
            return;
        }
    }
});

// What JSON says, whatever the order of its names and however its numbers are written.
$read = fn (string $json): mixed => same(json_decode($json, true, 512, JSON_THROW_ON_ERROR));

function same(mixed $value): mixed
{
    if (is_array($value)) {
        ksort($value, SORT_STRING);
        return array_map(same(...), $value);
    }
    return is_int($value) ? (float) $value : $value;
}

// The classes of services need a runtime that is not there: they are parsed only.
$sources = new RecursiveIteratorIterator(new RecursiveDirectoryIterator(GENERATED, FilesystemIterator::SKIP_DOTS));
foreach ($sources as $source) {
    token_get_all(file_get_contents((string) $source), TOKEN_PARSE);
}

$count = 0;
foreach (glob("$argv[1]/*.binpb") as $file) {
    $class = 'Reflexio\\V1\\' . explode('.', basename($file))[0];
    $wire = file_get_contents($file);
    $meaning = $read(file_get_contents(substr($file, 0, -strlen('.binpb')) . '.json'));

    $message = new $class();
    $message->mergeFromString($wire);
    if ($read($message->serializeToJsonString()) !== $meaning) {
        fwrite(STDERR, "$file is read as {$message->serializeToJsonString()}\n");
        exit(1);
    }
    $again = new $class();
    $again->mergeFromString($message->serializeToString());
    if ($read($again->serializeToJsonString()) !== $meaning) {
        fwrite(STDERR, "$file is written otherwise\n");
        exit(1);
    }
    $count++;
}
if ($count === 0) {
    fwrite(STDERR, "there is nothing in $argv[1]\n");
    exit(1);
}
echo "$count messages read and written with PHP ", PHP_VERSION, "\n";
