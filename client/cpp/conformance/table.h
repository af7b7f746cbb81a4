// Reads steps of tests/conformance/cases.json: placeholders, paths, and what is expected of an answer.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace conformance {

using nlohmann::json;
using Values = std::map<std::string, std::string>;

// Something is not as the table says.
class Unexpected : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The value with every placeholder replaced of which the value is known.
json filled_in(const json& value, const Values& values);

// The request of a step, with the elements of its lists repeated.
json expanded(const json& step);

// A part of a step that is an object; empty where the step does not have it.
const json& part(const json& step, const std::string& name);

// What is at a path; null where there is nothing.
json at(const json& value, const std::string& path);

// Compares an answer with what the step expects of it. Throws Unexpected.
void look_at(const json& answer, const json& step);

// Compares one value with another. Throws Unexpected.
void compare(const std::string& what, const json& expected, const json& found);

}  // namespace conformance
