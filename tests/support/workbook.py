"""The parts of a small Excel workbook."""

NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
SHEET = f"""<worksheet {NAMESPACE}><sheetData>
<row r="1">
<c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="D1" t="s"><v>2</v></c>
</row><row r="2">
<c r="A2" t="s"><v>3</v></c><c r="B2"><v>5</v></c><c r="D2" s="1"><v>45351.5</v></c>
</row><row r="4">
<c r="A4" t="inlineStr"><is><t>007</t></is></c><c r="B4" t="b"><v>1</v></c>
</row><row r="5">
<c r="A5" t="str"><f>A1</f><v>a_x000D_b</v></c><c r="B5"><v>4.5</v></c><c r="Z5"/>
</row></sheetData></worksheet>"""
WORKBOOK = {
    "xl/workbook.xml": f'<workbook {NAMESPACE} {RELATIONS}><sheets><sheet name="One" r:id="rId1"/>'
    '<sheet name="Two" r:id="rId2"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": "<Relationships>"
    '<Relationship Id="rId1" Target="worksheets/sheet1.xml"/>'
    '<Relationship Id="rId2" Target="/xl/worksheets/sheet2.xml"/></Relationships>',
    "xl/worksheets/sheet1.xml": SHEET,
    "xl/worksheets/sheet2.xml": f"<worksheet {NAMESPACE}><sheetData/></worksheet>",
    "xl/sharedStrings.xml": f"<sst {NAMESPACE}><si><t>text</t></si><si><t>label</t></si>"
    "<si><t>when</t></si><si><r><t>schön </t></r><r><t>&lt;b&gt;</t></r>"
    "<rPh><t>x</t></rPh></si></sst>",
    "xl/styles.xml": f'<styleSheet {NAMESPACE}><numFmts><numFmt numFmtId="170" '
    'formatCode="[Red]0 &quot;d&quot;"/><numFmt numFmtId="171" formatCode="yyyy/mm"/>'
    "</numFmts><cellXfs>"
    '<xf numFmtId="170"/><xf numFmtId="171"/></cellXfs></styleSheet>',
}
