-- What Quarto does and pandoc does not: numbered figures and tables, references to them, callouts, links between pages.
-- The elements and classes are Quarto's own, so that one style sheet and one set of tests serve both.

local names = { fig = "Figure", tbl = "Table" }
local default_titles = {
  note = "Note", tip = "Tip", warning = "Warning", important = "Important", caution = "Caution",
}
local nbsp = "\u{a0}"
local counts = { fig = 0, tbl = 0 }
local labels = {}

local function kind_of(identifier)
  local kind = identifier:match("^(%a+)%-")
  return names[kind] and kind or nil
end

local function number(element)
  local kind = kind_of(element.identifier)
  if kind then
    counts[kind] = counts[kind] + 1
    labels[element.identifier] = names[kind] .. nbsp .. counts[kind]
  end
end

local function html(text)
  return pandoc.RawBlock("html", text)
end

local function float(kind, identifier, body, caption)
  local place = kind == "fig" and "bottom" or "top"
  local caption_id = identifier .. "-caption"
  caption = pandoc.Inlines(caption)
  caption:insert(1, pandoc.Str(labels[identifier] .. ": "))
  local caption_blocks = pandoc.Blocks({
    html(('<figcaption class="quarto-float-caption quarto-float-caption-%s quarto-float-%s" id="%s">')
      :format(place, kind, caption_id)),
    pandoc.Plain(caption),
    html("</figcaption>"),
  })
  local content = pandoc.Blocks({ html(('<div aria-describedby="%s">'):format(caption_id)) })
  content:extend(body)
  content:insert(html("</div>"))
  local blocks = pandoc.Blocks({ html(('<figure class="quarto-float quarto-float-%s figure">'):format(kind)) })
  blocks:extend(kind == "fig" and content or caption_blocks)
  blocks:extend(kind == "fig" and caption_blocks or content)
  blocks:insert(html("</figure>"))
  return pandoc.Div(blocks, pandoc.Attr(identifier, { "quarto-float" }))
end

local function described(image)
  local alt = image.attributes["fig-alt"]
  if alt then
    image.attributes["fig-alt"] = nil
    image.attributes["alt"] = alt
  end
  image.identifier = ""
  image.classes:insert("figure-img")
  return image
end

local function figure(element)
  local kind = kind_of(element.identifier)
  if not kind then
    return nil
  end
  local body = element.content:walk({ Image = described })
  return float(kind, element.identifier, body, pandoc.utils.blocks_to_inlines(element.caption.long))
end

local function callout(element, kind)
  local title = element.attributes.title or default_titles[kind]
  return pandoc.Div({
    pandoc.Div(
      { pandoc.Div({ pandoc.Plain({ pandoc.Str(title) }) }, pandoc.Attr("", { "callout-title-container" })) },
      pandoc.Attr("", { "callout-header" })
    ),
    pandoc.Div(element.content, pandoc.Attr("", { "callout-body-container", "callout-body" })),
  }, pandoc.Attr(element.identifier, { "callout", "callout-" .. kind, "callout-titled" }))
end

local function div(element)
  local kind = kind_of(element.identifier)
  if kind then
    local body = pandoc.Blocks(element.content)
    local caption = body:remove(#body)
    return float(kind, element.identifier, body, caption.content)
  end
  for _, class in ipairs(element.classes) do
    local name = class:match("^callout%-(%a+)$")
    if name then
      return callout(element, name)
    end
  end
end

local function reference(element)
  local identifier = element.citations[1].id
  if labels[identifier] then
    local target = pandoc.Link(labels[identifier], "#" .. identifier)
    target.classes = { "quarto-xref" }
    return target
  end
end

local function link(element)
  element.target = element.target:gsub("^([^:]-)%.qmd", "%1.html")
  return element
end

return {
  { traverse = "topdown", Figure = number, Div = number },
  { Figure = figure, Div = div, Cite = reference, Link = link },
}
