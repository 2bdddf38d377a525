/* tests/fuzz/fuzz_keyfile.c - key files (keys/keyfile.h). */
#include "config.h"
#include "fuzz.h"

#include "keys/keyfile.c"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static uint8_t memory[LX_SECKEY_LEN];
        struct keys_file file = {.secret = {memory, sizeof(memory)}};
        char text[TEXT_MAX + 1];

        if (size > TEXT_MAX)
                return 0;
        memcpy(text, data, size);
        text[size] = 0;
        if (parse_text(text, &file)) {
                struct lx_pubkey public;

                if (lx_sign_pubkey(file.secret.p, &public) != LX_OK ||
                    memcmp(public.b, file.public.b, LX_PUBKEY_LEN) != 0)
                        abort();
        }
        return 0;
}
