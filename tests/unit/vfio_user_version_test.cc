// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/unit/vfio_user_test_client.h"
#include "vmm-device/vfio_user/version.h"

namespace pvsched {
namespace {

using nlohmann::json;

bool Accepted(const std::string& json_text, uint16_t major = 0, uint16_t minor = 0) {
  return AnswerVersion(VfioUserTestClient::VersionPayload(json_text, major, minor)).ok();
}

TEST(VfioUserVersionTest, ReplyToQemuIsNoLongerThanItsRequest) {
  const Bytes request = VfioUserTestClient::QemuVersionPayload();
  const auto reply = AnswerVersion(request);
  ASSERT_TRUE(reply.ok());
  EXPECT_LE(reply->size(), request.size());
  ASSERT_EQ(reply->back(), '\0');
  const json answer = json::parse(reply->begin() + 4, reply->end() - 1);
  EXPECT_EQ(answer["capabilities"]["max_msg_fds"], 16);
  EXPECT_EQ(answer["capabilities"]["max_data_xfer_size"], 1 << 20);
  EXPECT_LE(answer["capabilities"]["max_dma_maps"], 65535);
  EXPECT_FALSE(answer["capabilities"].contains("write_multiple"));
}

TEST(VfioUserVersionTest, ReplyHasTheLowerMinorVersion) {
  for (const auto& [asked, answered] : {std::pair{0, 0}, {1, 1}, {9, 1}}) {
    const auto reply =
        AnswerVersion(VfioUserTestClient::VersionPayload("{}", 0, static_cast<uint16_t>(asked)));
    ASSERT_TRUE(reply.ok());
    uint16_t minor;
    memcpy(&minor, reply->data() + 2, sizeof(minor));
    EXPECT_EQ(minor, answered);
  }
}

TEST(VfioUserVersionTest, ReplyToAShortRequestIsShort) {
  EXPECT_EQ(AnswerVersion(ToBytes(vfio_user::Version{0, 0}))->size(), 4u) << "no JSON at all";
  const auto reply = AnswerVersion(VfioUserTestClient::VersionPayload("{}"));
  EXPECT_EQ(Bytes(reply->begin() + 4, reply->end()), Bytes({'{', '}', '\0'}));
  EXPECT_EQ(AnswerVersion(VfioUserTestClient::VersionPayload(std::string(20, ' ') + "{}"))->size(),
            4 + sizeof(R"({"capabilities":{}})"));
}

TEST(VfioUserVersionTest, OtherMajorVersionIsRefused) { EXPECT_FALSE(Accepted("{}", 1)); }

TEST(VfioUserVersionTest, RequestShorterThanAVersionIsRefused) {
  EXPECT_FALSE(AnswerVersion(Bytes{}).ok());
  EXPECT_FALSE(AnswerVersion(Bytes{0, 0, 0}).ok());
}

TEST(VfioUserVersionTest, CapabilitiesWithoutNulAreRefused) {
  Bytes request = VfioUserTestClient::VersionPayload("{}");
  request.pop_back();
  EXPECT_FALSE(AnswerVersion(request).ok());
}

TEST(VfioUserVersionTest, MalformedJsonIsRefused) {
  for (const char* text : {"{", "", "}", "{\"capabilities\":", "nonsense", "{}{}", "{} x"}) {
    EXPECT_FALSE(Accepted(text)) << text;
  }
}

TEST(VfioUserVersionTest, TooLongJsonIsRefused) {
  EXPECT_FALSE(Accepted(std::string(8000, ' ') + "{}"));
  EXPECT_FALSE(Accepted(std::string(4000, '[')));
}

TEST(VfioUserVersionTest, MembersOfWrongTypeAreRefused) {
  for (const char* text :
       {"[]", "1", "\"x\"", "null", R"({"capabilities":[]})", R"({"capabilities":5})",
        R"({"capabilities":{"max_msg_fds":"16"}})", R"({"capabilities":{"max_msg_fds":1.5}})",
        R"({"capabilities":{"max_data_xfer_size":{}}})", R"({"capabilities":{"max_dma_maps":-1}})",
        R"({"capabilities":{"pgsizes":"4k"}})", R"({"capabilities":{"write_multiple":1}})",
        R"({"capabilities":{"migration":1}})", R"({"capabilities":{"migration":{"pgsize":[]}}})"}) {
    EXPECT_FALSE(Accepted(text)) << text;
  }
}

TEST(VfioUserVersionTest, MaxMsgFdsOutOfRangeIsRefused) {
  EXPECT_FALSE(Accepted(R"({"capabilities":{"max_msg_fds":-1}})"));
  EXPECT_TRUE(Accepted(R"({"capabilities":{"max_msg_fds":0}})"));
  EXPECT_TRUE(Accepted(R"({"capabilities":{"max_msg_fds":1024}})"));
  EXPECT_FALSE(Accepted(R"({"capabilities":{"max_msg_fds":1025}})"));
}

TEST(VfioUserVersionTest, PgsizeOtherThanAPowerOfTwoIsRefused) {
  EXPECT_FALSE(Accepted(R"({"capabilities":{"migration":{"pgsize":4095}}})"));
  EXPECT_FALSE(Accepted(R"({"capabilities":{"migration":{"pgsize":0}}})"));
  EXPECT_TRUE(Accepted(R"({"capabilities":{"migration":{"pgsize":4096}}})"));
}

TEST(VfioUserVersionTest, UnknownMembersAreIgnored) {
  EXPECT_TRUE(Accepted(R"({"other":1,"capabilities":{"future":{"x":[1,2]}}})"));
}

}  // namespace
}  // namespace pvsched
