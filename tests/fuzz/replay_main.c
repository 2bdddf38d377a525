/*
 * tests/fuzz/replay_main.c - runs a fuzz target over files, with any compiler.
 *
 * Usage: fuzz_NAME FILE...  A file that crashes the target crashes this program.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
replay(const char *path)
{
        FILE *f = fopen(path, "rb");
        uint8_t *bytes;
        long len;

        if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (len = ftell(f)) < 0)
                return -1;
        rewind(f);
        /* Exactly as long as the input, so that a sanitizer sees every read past the end. */
        bytes = malloc(len > 0 ? (size_t)len : 1);
        if (bytes == NULL || fread(bytes, 1, (size_t)len, f) != (size_t)len)
                return -1;
        fclose(f);
        (void)LLVMFuzzerTestOneInput(bytes, (size_t)len);
        free(bytes);
        return 0;
}

int
main(int argc, char **argv)
{
        for (int i = 1; i < argc; i++)
                if (replay(argv[i]) != 0) {
                        fprintf(stderr, "cannot read %s\n", argv[i]);
                        return 1;
                }
        printf("replayed %d inputs\n", argc - 1);
        return 0;
}
