#include "conformance/table.h"

#include <algorithm>
#include <set>
#include <sstream>
#include <vector>

namespace conformance {
namespace {

constexpr size_t kMostCharacters = 300;
using Names = std::vector<std::string>;

Names split(const std::string& path) {
  Names names;
  std::istringstream text(path);
  for (std::string name; std::getline(text, name, '.');) names.push_back(name);
  return names;
}

json follow(json value, Names::const_iterator name, Names::const_iterator end);

json in_each(const json& elements, Names::const_iterator name, Names::const_iterator end) {
  json all = json::array();
  for (const json& element : elements) {
    json found = follow(element, name, end);
    if (std::find(name, end, "*") != end) {
      all.insert(all.end(), found.begin(), found.end());
    } else if (!found.is_null()) {
      all.push_back(std::move(found));
    }
  }
  return all;
}

json follow(json value, Names::const_iterator name, Names::const_iterator end) {
  for (; name != end; ++name) {
    if (*name == "*") return in_each(value, name + 1, end);
    if (value.is_array()) {
      size_t index = std::stoul(*name);
      value = index < value.size() ? json(value[index]) : json();
    } else {
      value = value.is_object() ? value.value(*name, json()) : json();
    }
  }
  return value;
}

std::string brief(const json& value) { return value.dump().substr(0, kMostCharacters); }

}  // namespace

json filled_in(const json& value, const Values& values) {
  std::string text = value.dump();
  for (const auto& [name, known] : values) {
    const std::string placeholder = "{{" + name + "}}";
    for (size_t place = 0; (place = text.find(placeholder, place)) != std::string::npos; place += known.size()) {
      text.replace(place, placeholder.size(), known);
    }
  }
  return json::parse(text);
}

json expanded(const json& step) {
  json request = step.at("request");
  for (const auto& [name, times] : part(step, "expand").items()) {
    const json elements = request.at(name);
    for (int done = 1; done < times; ++done) request[name].insert(request[name].end(), elements.begin(), elements.end());
  }
  return request;
}

const json& part(const json& step, const std::string& name) {
  static const json empty = json::object();
  return step.contains(name) ? step.at(name) : empty;
}

json at(const json& value, const std::string& path) {
  const Names names = split(path);
  return follow(value, names.begin(), names.end());
}

void look_at(const json& answer, const json& step) {
  for (const auto& [path, expected] : part(step, "answer").items()) compare(path, expected, at(answer, path));
  for (const auto& [path, expected] : part(step, "count").items()) {
    compare("elements of " + path, expected, at(answer, path).size());
  }
  for (const auto& [path, expected] : part(step, "distinct").items()) {
    const json found = at(answer, path);
    compare("different elements of " + path, expected, std::set<json>(found.begin(), found.end()).size());
  }
}

void compare(const std::string& what, const json& expected, const json& found) {
  if (expected != found) throw Unexpected(what + ": expected " + brief(expected) + ", found " + brief(found));
}

}  // namespace conformance
