/* The message table: rising numbers, sizes that a frame carries and a queue takes, look-ups. */
#include "config.h"
#include "llp/message.h"
#include "llp/net.h"

#include "unit.h"

START_TEST(rows_are_sane)
{
        size_t count;
        const struct llp_message_row *rows = llp_message_rows(&count);

        ck_assert_uint_gt(count, 20);
        for (size_t i = 0; i < count; i++) {
                ck_assert_msg(i == 0 || rows[i].number > rows[i - 1].number, "%s", rows[i].name);
                ck_assert_uint_le(rows[i].min, rows[i].max);
                ck_assert_uint_le(rows[i].max, LLP_PAYLOAD_MAX);
                ck_assert_uint_le(
                    rows[i].max + LLP_MESSAGE_HEAD_LEN, llp_class_queue_max(rows[i].prio));
                ck_assert_ptr_eq(llp_message_find(rows[i].number), &rows[i]);
        }
        ck_assert_ptr_null(llp_message_find(0));
        ck_assert_ptr_null(llp_message_find(0x03));
        ck_assert_ptr_null(llp_message_find(0xffff));
}
END_TEST

START_TEST(what_comes_before_hello)
{
        size_t count;
        const struct llp_message_row *rows = llp_message_rows(&count);

        for (size_t i = 0; i < count; i++)
                ck_assert_int_eq(rows[i].before_hello,
                    rows[i].number == LLP_HELLO || rows[i].number == LLP_GOODBYE);
}
END_TEST

START_TEST(classes_in_order)
{
        ck_assert_int_eq(llp_message_find(LLP_VOTE)->prio, LLP_PRIO_VOTE);
        ck_assert_int_eq(llp_message_find(LLP_PING)->prio, LLP_PRIO_VOTE);
        ck_assert_int_lt(LLP_PRIO_VOTE, llp_message_find(LLP_PART)->prio);
        ck_assert_int_lt(LLP_PRIO_PART, llp_message_find(LLP_TX)->prio);
        ck_assert_int_lt(LLP_PRIO_TX, llp_message_find(LLP_BLOCK)->prio);
        ck_assert_str_eq(llp_class_name(LLP_PRIO_SYNC), "sync");
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {
            rows_are_sane, what_comes_before_hello, classes_in_order, NULL};

        return unit_main("llp_message", cases, 10);
}
