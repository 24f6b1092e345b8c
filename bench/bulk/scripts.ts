/** Campaigns in scripts that the corpus does not have: sentences over fixed vocabularies, of our own making. */

import { fill } from './campaigns.ts';
import type { Addressee, Body } from './compose.ts';
import { type Random, seededRandom } from './random.ts';

const russian =
  'деньги работа компания предложение скидка сегодня завтра клиент банк кредит счет письмо адрес цена товар магазин заказ доставка город страна мир жизнь время день неделя месяц год помощь решение вопрос ответ проект программа система услуга качество гарантия партнер договор условие срок оплата перевод процент доход прибыль успех семья дом квартира машина дорога отдых море путешествие билет гостиница ресторан здоровье врач лекарство клиника школа учеба курс язык книга газета журнал фильм музыка театр подарок праздник новый хороший большой быстрый надежный удобный выгодный бесплатный лучший первый полный простой важный купить продать получить узнать найти звонить писать ждать выбрать заказать оформить открыть начать работать учиться отдыхать помогать предлагать только очень сейчас всегда быстро легко дешево вместе каждый любой наш ваш весь свой для без через после перед между около против'.split(
    ' ',
  );
const chinese =
  '公司 产品 服务 客户 优惠 价格 质量 市场 发展 技术 合作 机会 免费 今天 明天 联系 电话 地址 网站 邮件 信息 订单 付款 发票 税务 代开 银行 贷款 利率 投资 收益 股票 基金 保险 健康 医院 药品 治疗 教育 培训 课程 学校 老师 学生 考试 英语 旅游 酒店 机票 北京 上海 广州 深圳 香港 中国 世界 国际 贸易 出口 进口 工厂 生产 设备 机械 电子 手机 电脑 软件 系统 网络 安全 管理 企业 员工 经理 工作 招聘 工资 奖金 成功 快乐 家庭 孩子 父母 朋友 生活 时间 方法 问题 解决 提供 需要 欢迎 选择 购买 销售 推广 广告 活动 会议 展览 计划 项目 文化 音乐 电影 图书 礼品 节日 衣服 鞋子 食品 水果 茶叶 房子 汽车 土地 装修 家具 设计 环境 能源 科学 研究 大学 专业 高级 最新 全部 特别 非常 立即 马上 我们 您的 这个 可以 已经 为了 通过 关于 以及 但是'.split(
    ' ',
  );

interface Script {
  readonly vocabulary: readonly string[];
  readonly between: string;
  readonly stop: string;
  readonly charsets: readonly ['utf-8', ...('gbk' | 'windows-1251' | 'koi8-r')[]];
}

const scripts = {
  CJK: { vocabulary: chinese, between: '', stop: '。', charsets: ['utf-8', 'gbk'] },
  Cyrillic: {
    vocabulary: russian,
    between: ' ',
    stop: '.',
    charsets: ['utf-8', 'windows-1251', 'koi8-r'],
  },
} as const satisfies Readonly<Record<string, Script>>;

export type ScriptName = keyof typeof scripts;

type Sentence = readonly string[];

function sentences(script: Script, random: Random, count: number): readonly Sentence[] {
  return Array.from({ length: count }, () =>
    Array.from({ length: 5 + random.int(8) }, () => random.pick(script.vocabulary)),
  );
}

/** The canonical text of one campaign, as sentences of words. */
export function scriptCampaign(name: ScriptName, index: number, seed: number): readonly Sentence[] {
  return sentences(scripts[name], seededRandom(seed, name, index), 14);
}

/** A copy: greeting by name, a tenth of the words replaced, half as much again of other sentences, a charset by chance. */
export function scriptCopy(
  name: ScriptName,
  canonical: readonly Sentence[],
  made: { readonly random: Random; readonly to: Addressee },
): Body {
  const script: Script = scripts[name];
  const { random, to } = made;
  const changed = canonical.map((sentence) =>
    sentence.map((word) => (random.chance(0.1) ? random.pick(script.vocabulary) : word)),
  );
  const noise = sentences(script, random, Math.ceil(canonical.length / 2));
  const write = (sentence: Sentence): string => `${sentence.join(script.between)}${script.stop}`;
  const before = random.int(noise.length + 1);
  const all = [...noise.slice(0, before), ...changed, ...noise.slice(before)].map(write);
  const lines = script.between === '' ? all : fill(all.join(' ').split(' '));
  return {
    subject: (canonical[0] ?? []).slice(0, 4).join(script.between),
    text: `${to.name}!\n\n${lines.join('\n')}`,
    charset: random.pick(script.charsets),
    encoding: random.pick(['base64', 'quoted-printable', '8bit'] as const),
  };
}
