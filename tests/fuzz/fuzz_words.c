/* tests/fuzz/fuzz_words.c - recovery phrases (keys/words.h). */
#include "config.h"
#include "fuzz.h"

#include "keys/words.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        uint8_t entropy[KEYS_ENTROPY_LEN], back[KEYS_ENTROPY_LEN];
        char phrase[KEYS_PHRASE_MAX];
        struct lx_why why = {{0}};

        if (size >= KEYS_ENTROPY_LEN) {
                keys_words_encode(data, phrase);
                if (keys_words_decode(phrase, strlen(phrase), back, &why) != LX_OK ||
                    memcmp(back, data, sizeof(back)) != 0)
                        abort();
        }
        if (keys_words_decode((const char *)data, size, entropy, &why) == LX_OK) {
                keys_words_encode(entropy, phrase);
                if (keys_words_decode(phrase, strlen(phrase), back, &why) != LX_OK ||
                    memcmp(back, entropy, sizeof(back)) != 0)
                        abort();
        } else if (why.text[0] == 0) {
                abort();
        }
        return 0;
}
